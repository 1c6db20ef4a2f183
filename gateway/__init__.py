"""The service and its commands."""

import os

# Read when grpc is imported. Our children replace themselves by other programs at once, so that grpc needs no handlers
# around a fork, which write a warning for each.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
