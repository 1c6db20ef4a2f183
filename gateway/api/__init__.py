"""The API as types: what clients send and what they get. It imports nothing of the gateway.

Answers are TypedDicts, so that a route writes an ordinary dict, mypy holds it against its type, and nothing is
checked or converted while serving. The text below a field describes it in the documents (`gateway.reference`) and in
docs/api.md.
"""
