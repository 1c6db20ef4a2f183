"""OpenAI's Realtime protocol, transcription sessions alone, over the live session of WS /v1/stream."""
