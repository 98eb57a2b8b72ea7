"""The mapping ``policy`` of m2s.yaml: what descriptions may ask for.

The same key as a word, ``sync`` or ``upsert-only``, is the option of ``watch``; in the mapping that
word is ``deletions``.
"""

from collections.abc import Mapping
from typing import Any

from m2s.base.names import meant
from m2s.domain.policy import LEVELS, LISTS, MODES, Policy
from m2s.settings import values
from m2s.settings.defaults import Misplaced

KEY, FIELD = "policy", "description_policy"
_WORDS = {"level": LEVELS, "mode": MODES, "deletions": ("sync", "upsert-only")}
_KEYS = (*_WORDS, *LISTS)


def read(raw: Any) -> dict[str, Any]:
    """Return the settings that the key comes to; a word alone tells by itself what it is of.

    Raises:
        Misplaced: naming what is wrong, and where.
    """
    own = [key for key, words in _WORDS.items() if isinstance(raw, str) and raw in words]
    given = {own[0]: raw} if own else raw
    if not isinstance(given, Mapping):
        wants = f"wants sync or upsert-only, or a mapping with {', '.join(_KEYS)}"
        raise Misplaced((), f"{KEY}: {wants}; not {raw!r}")
    read = dict(_read(key, value) for key, value in given.items())
    lists = tuple((name, read[name]) for name in LISTS if name in read)
    words = {name: read[name] for name in ("level", "mode") if name in read}
    deletions = {KEY: read["deletions"]} if "deletions" in read else {}
    return deletions | ({FIELD: Policy(**words, lists=lists)} if words or lists else {})


def _read(key: Any, raw: Any) -> tuple[str, Any]:
    """Return a key as a Policy calls it, ``service-accounts`` too, and its value."""
    plain = str(key).lower().replace("-", "")
    name = next((name for name in _KEYS if name.lower() == plain), "")
    if not name:
        raise Misplaced((key,), f"{KEY}.{key}: no such key; {meant(str(key), _KEYS)}")
    try:
        return name, values.OneOf(*_WORDS[name])(raw) if name in _WORDS else _patterns(raw)
    except ValueError as error:
        raise Misplaced((key,), f"{KEY}.{key}: {error}") from error


def _patterns(raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(item, str) and item for item in raw):
        raise ValueError("wants a list of texts such as ['registry.example.com/*']; [] allows none")
    return tuple(raw)
