"""Durable jobs: recordings that are handed over, worked on in their turn, and come back for."""
