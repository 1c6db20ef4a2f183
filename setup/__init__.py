"""Sets a checkout up: looks at the machine, makes the environment, installs packages, has weights and engines made.

Runs in whatever Python the machine has, before anything is installed: the standard library and nothing else.
"""
