"""So much of PromQL as the chart's alerts are written in, to tell whether an alert would fire."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}(?:\[(\w+)\])?|\b((?:m2s|process)_\w+)\b")
_MATCHER = re.compile(r'\s*(\w+)\s*(=~|!=|=)\s*"([^"]*)"\s*,?')
_COMPARED = re.compile(r"^([a-z_0-9]+\{[^}]*\}) == 1$")


@dataclass(frozen=True)
class Selector:
    """A metric and what its labels must be: name, operator, value."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]

    def selects(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a series is one of those."""
        return name == self.metric and all(
            {
                "=": labels.get(label, "") == value,
                "!=": labels.get(label, "") != value,
                "=~": bool(re.fullmatch(value, labels.get(label, ""))),
            }[operator]
            for label, operator, value in self.matchers
        )


def selectors(expression: str) -> list[Selector]:
    """Return every selector of an expression; it must be one that brackets itself well."""
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing), expression
    found = []
    for metric, labels, _, bare in _SELECTOR.findall(expression):
        matchers = tuple(_MATCHER.findall(labels))
        assert not _MATCHER.sub("", labels).strip(), f"{labels} in {expression}"
        found.append(Selector(metric or bare, matchers))
    return found


def fires(expression: str, samples: Iterable[tuple[str, Mapping[str, str], float]]) -> bool:
    """Whether ``SELECTOR == 1`` has a result."""
    found = _COMPARED.match(expression)
    assert found, expression
    (selector,) = selectors(found[1])
    return any(selector.selects(name, labels) and value == 1 for name, labels, value in samples)
