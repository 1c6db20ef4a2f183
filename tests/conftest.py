"""What all tests share."""

from hypothesis import settings

# How long an example takes depends on the machine and on what else runs there.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
