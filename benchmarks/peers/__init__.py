"""Other speech-to-text libraries on the same weights, each in a process of its own."""
