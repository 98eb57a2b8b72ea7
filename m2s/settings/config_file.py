"""m2s.yaml as a document; what its keys mean is told by :mod:`m2s.settings.build`."""

from __future__ import annotations

from pathlib import Path

from m2s.base import strictyaml
from m2s.base.errors import UsageError

DEFAULT_CONFIG = "m2s.yaml"


def read(config: str | None) -> tuple[Path, strictyaml.Document] | None:
    """Return the file's path and its one document; None without a file, or with an empty one.

    ``config`` is the path, which must be there; None reads ``./m2s.yaml`` where there is one.
    UsageError: it cannot be read, or is not one mapping.
    """
    path = Path(config or DEFAULT_CONFIG)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        if config is None:
            return None
        raise UsageError(f"--config: {path}: no such file") from error
    except OSError as error:
        raise UsageError(f"--config: {path}: {error.strerror}") from error
    try:
        documents = strictyaml.load_all(content)
    except strictyaml.YamlError as error:
        raise UsageError(f"{path}:{error.line}: {error.problem}") from error
    if len(documents) > 1:
        line = documents[1].line()
        raise UsageError(f"{path}:{line}: a second document; m2s.yaml is one mapping")
    if documents and not isinstance(documents[0].value, dict):
        line = documents[0].line()
        raise UsageError(f"{path}:{line}: wants a mapping such as 'stage: Staging'")
    return (path, documents[0]) if documents else None
