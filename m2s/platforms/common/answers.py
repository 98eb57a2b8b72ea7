"""Pure: what an answer of a model server comes to, without any value of it or of the example."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from m2s.base.wording import one_line
from m2s.domain.asking import Example, Protocol, Reply

_MEMBER: Mapping[Protocol, str] = {"mlflow": "predictions", "v2": "outputs", "seldon": "data"}
_LONGEST = 300
"""Characters of an error that are told."""
_HIDDEN = "*"
_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WORD = re.compile(r"\w+")
_PART = 3
"""Letters from which on a part of one of the example's texts is hidden too."""


def fault(reply: Reply, protocol: Protocol, example: Example | None) -> str:
    """Return why an answer does not count, "" where it does."""
    if not reply.status:
        return f"nobody answered: {one_line(reply.why)}"
    if reply.status != 200:
        said = first_line(reply.body, example)
        return f"it answered HTTP {reply.status}" + (f": {said}" if said else "")
    if example is None:
        return ""
    document, member = _decoded(reply.body), _MEMBER[protocol]
    if not isinstance(document, Mapping):
        return "its answer is no JSON object"
    found = document.get(member)
    if found is None or (protocol == "v2" and not isinstance(found, list)):
        return f"its answer has no {member}"
    return f"its answer has empty {member}" if found in ([], {}) else ""


def shape(reply: Reply, protocol: Protocol) -> str:
    """Return the shape of a good answer: ``3 predictions``, ``outputs of 3 x 2``."""
    document, member = _decoded(reply.body), _MEMBER[protocol]
    found = document.get(member) if isinstance(document, Mapping) else None
    if protocol == "mlflow":
        return f"{len(found)} predictions" if isinstance(found, list) else "predictions"
    if protocol == "seldon":
        array = found.get("ndarray") if isinstance(found, Mapping) else None
        tensor = found.get("tensor") if isinstance(found, Mapping) else None
        sizes = _sizes(array) if array is not None else _numbers((tensor or {}).get("shape"))
        return f"data of {sizes}" if sizes else "data"
    outputs = [one for one in found or () if isinstance(one, Mapping)]
    told = {sizes for one in outputs if (sizes := _numbers(one.get("shape")))}
    return f"outputs of {' and '.join(sorted(told)[:3])}" if told else "outputs"


def _numbers(found: Any) -> str:
    whole = isinstance(found, list) and all(isinstance(one, int) for one in found)
    return " x ".join(map(str, found)) if whole else ""


def _sizes(array: Any) -> str:
    sizes = []
    while isinstance(array, list):
        sizes.append(str(len(array)))
        array = array[0] if array else None
    return " x ".join(sizes)


def first_line(body: bytes, example: Example | None) -> str:
    """Return the first line of an error, without any value of the example; "" for none."""
    document = _decoded(body[:_READ])
    text = _error_of(document)
    if not text and document is None:
        text = body[:_READ].decode(errors="replace")
    line = next((one.strip() for one in text.splitlines() if one.strip()), "")
    if line.startswith("<"):
        return "an HTML page"
    return _Values(example).hidden(one_line(line)[:_LONGEST])


_READ = 64 * 1024
_ERRORS = ("message", "error", "detail", "info", "reason", "status", "msg")
"""MLflow's, MLServer's, FastAPI's and Seldon's, the more telling first."""


def _error_of(node: Any) -> str:
    if isinstance(node, str):
        return node
    if isinstance(node, list):
        return next(filter(None, map(_error_of, node)), "")
    found = (_error_of(node.get(name)) for name in _ERRORS) if isinstance(node, Mapping) else ()
    return next(filter(None, found), "")


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


class _Values:
    """Every value of an example, to be told from the words of an error."""

    def __init__(self, example: Example | None) -> None:
        values = list(_leaves(example.payload)) if example else []
        texts = [text.lower() for text in values if isinstance(text, str)]
        self._text = "\n".join(texts)
        self._words = {word for text in texts for word in _WORD.findall(text)}
        self._words |= {str(value).lower() for value in values if isinstance(value, bool)}
        self._signs = [text.strip() for text in texts if text.strip() and not _WORD.search(text)]
        told = (number for text in texts for number in _NUMBER.findall(text))
        found = [*(value for value in values if type(value) in (int, float)), *map(float, told)]
        self._numbers = {abs(value) for value in found if math.isfinite(value)}
        self._rounded: dict[str, set[str]] = {}

    def hidden(self, line: str) -> str:
        for sign in sorted(self._signs, key=len, reverse=True):
            line = line.replace(sign, _HIDDEN)
        line = _NUMBER.sub(lambda one: _HIDDEN if self._has_number(one[0]) else one[0], line)
        return _WORD.sub(lambda one: _HIDDEN if self._has(one[0].lower()) else one[0], line)

    def _has(self, word: str) -> bool:
        part = len(word) >= _PART or not word.isascii()
        if word in self._words or (part and word in self._text):
            return True
        sizes = range(_PART + 1, len(word))
        return any(word[at : at + size] in self._words for size in sizes for at in range(len(word)))

    def _has_number(self, token: str) -> bool:
        """Whether a number is one of the example's, to as many digits as are told."""
        number, mantissa = float(token), token.lower().partition("e")[0]
        digits = len(mantissa.replace(".", "").lstrip("0"))
        for form in (f".{max(digits, 1)}g", f".{len(mantissa.partition('.')[2])}f"):
            if form not in self._rounded:
                self._rounded[form] = {str(float(format(one, form))) for one in self._numbers}
            if str(number) in self._rounded[form]:
                return True
        return number in self._numbers


def _leaves(node: Any) -> Iterator[Any]:
    """Yield every value; the names of columns are no values of an example, they are the schema."""
    if isinstance(node, Mapping):
        for name, item in node.items():
            yield from _leaves(item) if name != "columns" else ()
    elif isinstance(node, list):
        for item in node:
            yield from _leaves(item)
    else:
        yield node
