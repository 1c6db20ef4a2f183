"""Whisper: log-mel, tokenizer, decoding rules, word timing, scheduler, engines."""
