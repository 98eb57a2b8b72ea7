"""The command line: the only importer of typer."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Mapping, Sequence

from m2s.base.errors import M2sError, UsageError, told

_SHARED = ("MLFLOW_WORKSPACE", "MLFLOW_TRACKING_URI")
"""What m2s.registry sets for MLflow's client; a later command of this process has its own."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit code.

    Args:
        argv: the arguments after the program's name; None takes the process's own.
    """
    # What imports make stays; looking through it over and over is a quarter of their time.
    # m2s.cli.run.spare_imports turns the collector on again.
    gc.unfreeze()  # by an earlier command of this process
    gc.disable()
    theirs = {name: os.environ.get(name) for name in _SHARED}
    try:
        return _run(argv)
    finally:
        gc.enable()
        _restore(theirs)
        if argv is None:  # the process ends with this command, and would look through it once more
            atexit.register(gc.freeze)


def _restore(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def _run(argv: Sequence[str] | None) -> int:
    import typer

    from m2s.cli.app import app

    try:
        code = app(args=argv, prog_name="m2s", standalone_mode=False)
        sys.stdout.flush()
    except M2sError as error:
        return _fail(told(error), error.exit_code)
    except typer.TyperException as error:
        # Typer's own 2 for wrong usage would read as "changes pending".
        return _fail(error.format_message(), UsageError.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted; what was begun is finished, run again to carry on", 130)
    except BrokenPipeError:
        # The reader of our output left (`| head`): not an error, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return int(code or 0)


def _fail(message: str, code: int) -> int:
    from m2s.base import mask

    line = " ".join(mask.text(message).split())
    if line:
        sys.stderr.write(f"Error: {line}\n")
    return code
