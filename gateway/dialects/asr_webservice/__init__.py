"""whisper-asr-webservice's two addresses, which Bazarr and others ask for subtitles."""
