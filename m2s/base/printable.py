"""Text that acts on nobody: a stranger's characters shown as text, on whatever stream there is."""

import codecs
import re
from typing import Any

STANDINS = "m2s.standins"
"""The name of the codecs' error handler that :func:`register` makes known."""

_SPACES = re.compile(r"[\u2000-\u200a\u202f\u205f\u3000]")
# What m2s itself prints beyond ASCII, and what people write, as a poorer stream can say it.
_ASCII = {
    "\u2192": "->", "\u2190": "<-", "\u2026": "...", "\u2013": "-", "\u2014": "-", "\u2212": "-",
    "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2022": "*", "\u00d7": "x",
}  # fmt: skip
_FIRST_BOX, _LAST_BOX = "\u2500", "\u259f"


def line(text: str) -> str:
    r"""Return ``text`` as one line in which nothing is a command to a terminal or hides itself.

    Control characters, line ends, bidirectional overrides and whatever else is not printable (by
    ``str.isprintable``) become escapes such as ``\x1b`` and ``\u202e``.
    """
    if text.isprintable():
        return text
    return "".join(map(_shown, _SPACES.sub(" ", text)))


def json_text(value: Any, indent: int | None = None, *, in_ascii: bool = False) -> str:
    """Return a JSON value as text in which all that :func:`line` would escape is escaped."""
    import json  # help does without, and is to be fast

    text = json.dumps(value, indent=indent, ensure_ascii=in_ascii)
    if all(map(str.isprintable, text.split("\n"))):
        return text
    return "".join(map(_in_json, text))


def _in_json(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def lines(text: str) -> str:
    """Return the same of a text of several lines, which stay."""
    return "\n".join(map(line, text.split("\n")))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if character == "\xa0":
        return " "
    return character.encode("unicode_escape").decode()


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    """Say in ASCII what a stream's encoding has no characters for."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    bad = error.object[error.start : error.end]
    return "".join(map(_standin, bad)), error.end


def _standin(character: str) -> str:
    if _FIRST_BOX <= character <= _LAST_BOX:  # box drawing and block elements
        return "-" if character in "\u2500\u2501\u2504\u2505\u2508\u2509\u2550" else "|"
    return _ASCII.get(character) or character.encode("unicode_escape").decode()


def register() -> None:
    """Make the handler :data:`STANDINS` known to the codecs."""
    codecs.register_error(STANDINS, _stand_in)
