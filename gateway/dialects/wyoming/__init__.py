"""Wyoming, the protocol of Home Assistant's voice: events over TCP, without keys and without TLS."""
