import sys

from tabpipe_server.main import main

sys.exit(main())
