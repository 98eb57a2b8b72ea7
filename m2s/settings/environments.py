"""``environments`` of m2s.yaml: settings that go together under a name.

An entry is any part of m2s.yaml. It stands above the file's own keys and below the variables and
the flags. The list has entries with a ``name``; a mapping has their names as keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from m2s.base.errors import UsageError
from m2s.base.names import meant
from m2s.base.strictyaml import Document

KEY, NAME = "environments", "name"
OWN = frozenset({KEY, "environment", "all-environments"})
"""The keys that an entry cannot have: they choose entries."""
_WANTS = "wants a list of mappings with a name, or a mapping of mappings"
_VALID = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def entries(path: Path, document: Document) -> dict[str, Document]:
    """Return the entries by name, in the file's order.

    Raises:
        UsageError: with the file and the line of what is no entry.
    """
    found: dict[str, Document] = {}
    for name, line, entry in _each(path, document):
        where = f"{path}:{line}: {KEY}"
        if not isinstance(name, str) or not _VALID.fullmatch(name):
            raise UsageError(
                f"{where}: wants a name of letters, digits, '-', '_' and '.', not {name!r}"
            )
        if name in found:
            raise UsageError(f"{where}: {name} is there twice")
        if not isinstance(entry.value, dict):
            raise UsageError(f"{where}: {name} wants a mapping of settings")
        found[name] = entry
    return found


def _each(path: Path, document: Document) -> Iterator[tuple[object, int, Document]]:
    listed = document.value.get(KEY, {})
    if isinstance(listed, dict):
        for name in listed:
            yield name, document.line(KEY, name), document.at(KEY, name)
    elif isinstance(listed, list):
        for at, entry in enumerate(listed):
            if not isinstance(entry, dict):
                raise UsageError(f"{path}:{document.line(KEY, at)}: {KEY} {_WANTS}")
            yield entry.get(NAME), document.line(KEY, at), document.at(KEY, at)
    else:
        raise UsageError(f"{path}:{document.line(KEY)}: {KEY} {_WANTS}")


def known(name: str, names: list[str]) -> str:
    """Return the name of an entry; UsageError: there is none of it."""
    if name in names:
        return name
    hint = meant(name, names) if names else f"m2s.yaml has no {KEY}"
    raise UsageError(f"--environment {name}: no such one; {hint}")
