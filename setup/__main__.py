"""`python3 -m setup …`. This file is read by any Python, so that an old one hears what is needed."""

import sys

if sys.version_info < (3, 9):  # noqa: UP036
    sys.exit("Python 3.11 or 3.12 is needed. If you have one, name it: make serve PYTHON=python3.11")

from setup.run import main

sys.exit(main())
