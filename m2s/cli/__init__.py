"""The command line: the only importer of typer."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from m2s.base import trace
from m2s.base.errors import M2sError, UsageError, told

_SHARED = ("MLFLOW_WORKSPACE", "MLFLOW_TRACKING_URI")
"""What m2s.registry sets for MLflow's client; a later command of this process has its own."""


_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit code; None is the process's own ``argv``."""
    # What imports make stays; looking through it over and over is a quarter of their time.
    # m2s.cli.planning.spare_imports turns the collector on again.
    gc.unfreeze()  # by an earlier command of this process
    gc.disable()
    theirs = {name: os.environ.get(name) for name in _SHARED}
    threshold = gc.get_threshold()
    try:
        with trace.kept():
            return _run(argv)
    finally:
        gc.enable()
        gc.set_threshold(*threshold)
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

    from m2s.cli import streams
    from m2s.cli.app import invoke

    streams.prepare()
    try:
        code = invoke(argv)
        sys.stdout.flush()
        if code == _INTERRUPTED:  # which is what typer makes of Ctrl-C, without a word
            raise KeyboardInterrupt
    except M2sError as error:
        return _fail(told(error), error.exit_code)
    except typer.TyperException as error:
        # Typer's own 2 for wrong usage would read as "changes pending".
        return _fail(_wrong(error), UsageError.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted; what was begun is finished, run again to carry on", _INTERRUPTED)
    except (BrokenPipeError, SystemExit) as error:
        # The reader of our output left (`| head`): not an error, and nothing more can be said.
        # Typer makes an exit of it, with a code that would read as a failure.
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        streams.abandon()
        return 141
    except OSError as error:
        streams.abandon()
        return _fail(streams.trouble(error), M2sError.exit_code)
    return code


def _wrong(error: Any) -> str:
    """Return what is wrong with a command line; of several similar options the most similar."""
    option, like = getattr(error, "option_name", ""), getattr(error, "possibilities", None)
    if option and like:
        from m2s.base.names import meant

        return f"{error.message}; {meant(option, like, cutoff=0)}"
    early = option and error.ctx and error.ctx.parent is None
    hint = f"; an option of a command stands behind it: m2s COMMAND {option}" if early else ""
    return str(error.format_message()) + hint


def _fail(message: str, code: int) -> int:
    from m2s.base import mask
    from m2s.cli import streams

    line = mask.text(" ".join(message.split()))
    if line:
        streams.complain(f"Error: {line}")
    return code
