"""Kubernetes objects as YAML text that every YAML reader understands alike."""

import re
from typing import Any

import yaml

_PLAIN = re.compile(r"[A-Za-z/][\w./:@-]*(?<!:)", re.ASCII)
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Write shared parts out each time."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Quote whatever some reader could take for a number or a truth value.

    The readers of Argo CD and Flux (go-yaml) take ``y`` for true and ``1e3`` for a number where
    PyYAML, which would write these plain, reads texts.
    """
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _represent_text)


def dump(*bodies: Any) -> bytes:
    """Return a document each with keys in order: the same objects are always the same bytes."""
    text: str = yaml.dump_all(
        bodies,
        Dumper=_Dumper,
        sort_keys=True,
        default_flow_style=False,
        allow_unicode=True,
        width=10**9,
    )
    return text.encode()
