"""Live speech: frames of audio in, text that settles while it is spoken out."""
