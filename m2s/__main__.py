"""``python -m m2s``."""

import sys

from m2s.cli import main

sys.exit(main())
