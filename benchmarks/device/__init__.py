"""What measures a GPU on a machine that has one for some minutes, and neither a network nor this environment."""
