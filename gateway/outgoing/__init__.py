"""Requests to addresses that callers name: recordings that are fetched, webhooks that are sent."""
