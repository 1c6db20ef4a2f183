"""Other people's protocols: each turns its request into ours and our transcript into its answer, and does no more."""
