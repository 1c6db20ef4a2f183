"""`stt mcp`: the caller's jobs as tools of a Model Context Protocol client."""
