"""Recordings that arrive piece by piece, over as many connections as it takes."""
