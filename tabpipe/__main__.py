"""`python -m tabpipe`."""

import sys

from tabpipe.cli.main import main

sys.exit(main())
