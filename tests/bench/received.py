"""How many bytes a plan receives: ``python -m tests.bench.received FLAGS…``."""

from __future__ import annotations

import contextlib
import io
import sys

from m2s.cli import main
from tests.bench.quiet import Meter

if __name__ == "__main__":
    meter = Meter()
    with contextlib.redirect_stdout(io.StringIO()):
        code = main(["plan", *sys.argv[1:]])
    print(meter.bytes)  # noqa: T201 - its answer
    sys.exit(code)
