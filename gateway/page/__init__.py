"""The web page: what set-up built of `web/`, and what is said where nothing was built."""
