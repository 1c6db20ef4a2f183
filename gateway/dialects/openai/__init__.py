"""OpenAI's audio endpoints over HTTP, for its SDKs and the many programs that speak to it."""
