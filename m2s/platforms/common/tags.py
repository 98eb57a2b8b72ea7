"""Pure: the ``m2s.io/`` tags of a model version, and the values that they may have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from m2s.base import images
from m2s.base.labels import MARKS, PAUSED
from m2s.base.names import meant
from m2s.domain.versions import ModelVersion
from m2s.platforms.problem import Problem

TagReader = Callable[[str], Any]
"""Returns the value that a tag's text says; a ValueError says what it wants instead."""

_QUANTITY = re.compile(r"(\d+(\.\d*)?|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?\d+)?")
"""k8s.io/apimachinery/pkg/api/resource: ``<quantity>``, here without a sign."""


def read(version: ModelVersion, readers: Mapping[str, TagReader]) -> Iterator[tuple[str, Any]]:
    """Yield each of a version's tags, by name, and its value.

    Raises:
        Problem: a tag that no reader is for, or whose value is not one.
    """
    for tag in sorted(version.tags):
        if not tag.startswith(MARKS) or tag == PAUSED:
            continue
        if tag not in readers:
            raise Problem(f"tag {tag}: no such tag; {meant(tag, readers)}")
        try:
            value = readers[tag](version.tags[tag].strip())
        except ValueError as error:
            raise Problem(f"tag {tag}: {error}, not {version.tags[tag]!r}") from error
        yield tag, value


def count(text: str) -> int:
    """Return a number of replicas."""
    if not re.fullmatch(r"\d{1,4}", text, re.ASCII):
        raise ValueError("wants a number of replicas")
    return int(text)


def percent(text: str) -> int:
    """Return a percentage."""
    if not re.fullmatch(r"\d{1,3}", text, re.ASCII) or int(text) > 100:
        raise ValueError("wants a percentage, a whole number from 0 to 100")
    return int(text)


def quantity(text: str) -> str:
    """Return a Kubernetes quantity."""
    if not _QUANTITY.fullmatch(text):
        raise ValueError("wants a quantity such as 500m, 2 or 1.5Gi")
    return text


def image(text: str) -> str:
    """Return the reference of a container image."""
    return images.reference(text)


def one_of(choices: Sequence[str]) -> TagReader:
    """Return what reads one of these words."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"wants one of {', '.join(choices)}")
        return text

    return read
