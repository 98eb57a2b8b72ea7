"""What a template consists of, and what its expressions may ask.

:mod:`m2s.desired.templating.expressions` reads them; it is imported where there is a template.
"""

from __future__ import annotations

from dataclasses import dataclass

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Placeholder:
    """An expression in a file, and the line it begins in."""

    source: str
    line: int


@dataclass(frozen=True, slots=True)
class Text:
    """What stands between placeholders, and the line it begins in."""

    text: str
    line: int


class Named:
    """Something an expression may ask, but not give; its text says what it is."""

    def lacks(self, name: object) -> str:
        """Return in words that a name is not there."""
        raise NotImplementedError


class Function:
    """Something an expression may call; nothing else is callable."""
