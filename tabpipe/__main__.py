"""`python -m tabpipe`."""

import sys

from tabpipe.cli import main

sys.exit(main())
