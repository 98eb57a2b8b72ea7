"""Where the secret of MLflow's webhook comes from; it is shown nowhere (law 7)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from m2s.base.errors import UsageError
from m2s.settings.groups import Settings


def secret_reader(given: str | None, chosen: Settings) -> Callable[[], str] | None:
    """Return how to read the secret: the one given, else a file's now; None where there is none.

    Raises:
        UsageError: it is empty, or the file cannot be read.
    """
    if given:
        return lambda: given
    if not chosen.webhook_secret_file:
        return None
    path = Path(chosen.webhook_secret_file)

    def read() -> str:
        # An editor and `kubectl create secret --from-file` keep the last line's end.
        return path.read_text(encoding="utf-8").strip("\r\n")

    try:
        if read():
            return read
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise UsageError(f"--webhook-secret-file: {path}: {why}") from error
    raise UsageError(f"--webhook-secret-file: {path}: it is empty")
