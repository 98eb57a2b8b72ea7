"""Pure: whether what a controller wrote shows what was wanted of it.

A controller adds defaults and things of its own, and encodes what it read anew: quantities in their
shortest form, empty values not at all. So what is wanted has to be *within* what is shown, and what
is wanted no more must not be there any longer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from m2s.platforms.common.pods import mappings

_QUANTITIES = frozenset({"divisor", "hpaSpec", "limits", "requests", "sizeLimit"})
_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30}))"
    r"(?:[eE](?P<exponent>[+-]?\d{1,3})|(?P<suffix>[numkMGTPE]|[KMGTPE]i)?)"
)
_POWERS = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}

_POINTERS = frozenset(
    {
        "activeDeadlineSeconds", "allowPrivilegeEscalation", "automountServiceAccountToken",
        "defaultMode", "enableServiceLinks", "fsGroup", "hostUsers", "minReplicaCount",
        "minReplicas", "mode", "optional", "priority", "privileged", "readOnlyRootFilesystem",
        "replicas", "runAsGroup", "runAsNonRoot", "runAsUser", "setHostnameAsFQDN",
        "shareProcessNamespace", "terminationGracePeriodSeconds", "tolerationSeconds",
    }
)  # fmt: skip
"""Fields whose 0 or false is encoded, since something else holds without them (Go: pointers)."""

_FILLED_IN = frozenset(
    {
        "apiVersion", "defaultMode", "dnsPolicy", "endpoint", "failureThreshold",
        "imagePullPolicy", "implementation", "periodSeconds", "ports", "protocol",
        "restartPolicy", "schedulerName", "scheme", "successThreshold",
        "terminationGracePeriodSeconds", "terminationMessagePath", "terminationMessagePolicy",
        "timeoutSeconds", "type", "version",
    }
)  # fmt: skip
"""Fields that the operator or the API server sets where nobody does: taken out of a description,
one may well be there with the value that it had."""

_ORDERED = frozenset({"children", "initContainers"})
_BY_POSITION = "componentSpecs"
_OWN_ENV = re.compile(r"(PREDICTIVE_UNIT|PREDICTOR|SELDON|MLSERVER|TEMPO)_.*")


def missing(wanted: Any, shown: Any, path: str = "", *, counted: bool = False) -> str:
    """Return the path of the first thing in ``wanted`` that ``shown`` does not have; "" for none.

    ``counted``: the value is within a field of quantities, where ``1000m`` is ``1``.
    """
    if wanted is None or wanted in ([], {}):
        return ""
    if isinstance(wanted, Mapping):
        return _missing_key(wanted, shown if isinstance(shown, Mapping) else {}, path, counted)
    if isinstance(wanted, list) and isinstance(wanted[0], Mapping):
        return _missing_item(mappings(wanted, "*"), mappings(shown, "*"), path, counted)
    same = wanted == shown and type(wanted) is type(shown)
    return "" if same or (counted and _amount(wanted) == _amount(shown) is not None) else path


def _missing_key(
    wanted: Mapping[str, Any], shown: Mapping[str, Any], path: str, counted: bool
) -> str:
    for key, value in wanted.items():
        if key not in shown and _is_left_out(key, value):
            continue
        within = counted or key in _QUANTITIES
        if found := missing(value, shown.get(key), _under(path, key), counted=within):
            return found
    return ""


def _missing_item(
    wanted: Sequence[Mapping[str, Any]],
    shown: Sequence[Mapping[str, Any]],
    path: str,
    counted: bool,
) -> str:
    """Compare items of the same name, else of the same position, else in any order."""
    field = path.rpartition(".")[2]
    for position, item in enumerate(wanted):
        place, name = _place(path, position, item), item.get("name")
        others = [other for other in shown if other.get("name") == name]
        if field == _BY_POSITION:
            others = list(shown[position : position + 1])
        lacks = [missing(item, other, place, counted=counted) for other in others]
        if "" not in lacks:
            return lacks[0] if len(lacks) == 1 else place
    names = [item.get("name") for item in wanted]
    order = [other.get("name") for other in shown if other.get("name") in names]
    return path if field in _ORDERED and names != order else ""


def left(before: Any, wanted: Any, shown: Any, path: str = "", *, counted: bool = False) -> str:
    """Return the path of the first thing of ``before``, wanted no more, that is shown; "" for none.

    Of what is wanted with another value :func:`missing` tells; ``counted`` is as there.
    """
    if isinstance(before, Mapping) and isinstance(wanted, Mapping) and isinstance(shown, Mapping):
        for key in sorted(before.keys() & shown.keys() - _FILLED_IN):
            place, within = _under(path, key), counted or key in _QUANTITIES
            found = left(before[key], wanted.get(key), shown[key], place, counted=within)
            own = _without_filled_in(key, before[key])
            if key not in wanted and not _is_left_out(key, own):
                found = "" if missing(own, shown[key], place, counted=within) else place
            if found:
                return found
    if isinstance(before, list) and isinstance(wanted, list):
        own = _without_filled_in(path.rpartition(".")[2], before)
        return _left_item(mappings(own, "*"), mappings(wanted, "*"), mappings(shown, "*"), path)
    return ""


def _left_item(
    before: Sequence[Mapping[str, Any]],
    wanted: Sequence[Mapping[str, Any]],
    shown: Sequence[Mapping[str, Any]],
    path: str,
) -> str:
    by_position = path.rpartition(".")[2] == _BY_POSITION
    for position, item in enumerate(before):
        place, name = _place(path, position, item), item.get("name")
        if by_position:
            new, there = wanted[position : position + 1], shown[position : position + 1]
        elif name is None:
            new, there = [one for one in wanted if not missing(item, one, place)], shown
        else:
            new, there = _called(name, wanted), _called(name, shown)
        if new:
            nested = there and (by_position or name is not None)
            found = left(item, new[0], there[0], place) if nested else ""
        else:
            found = "" if all(missing(item, one, place) for one in there) else place
        if found:
            return found
    return ""


def _without_filled_in(key: str, value: Any) -> Any:
    if key == "env":
        return [one for one in mappings(value, "*") if not _OWN_ENV.fullmatch(str(one.get("name")))]
    if isinstance(value, Mapping):
        return {name: item for name, item in value.items() if name not in _FILLED_IN}
    return value


def _called(name: object, items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one for one in items if one.get("name") == name]


def _is_left_out(key: str, value: Any) -> bool:
    """Whether Go's ``omitempty`` leaves a field out that has this value."""
    if isinstance(value, Mapping):
        return all(_is_left_out(name, item) for name, item in value.items())
    if value is None or value in ("", []):
        return True
    return not value and key not in _POINTERS


def _amount(value: Any) -> Decimal | None:
    """Return a quantity's value (apimachinery, ``api/resource``); None for what is none."""
    found = None if isinstance(value, bool) else _QUANTITY.fullmatch(str(value))
    if not found:
        return None
    number, suffix = Decimal(found["number"]), found["suffix"] or ""
    if suffix.endswith("i"):
        return number * Decimal(1024) ** ("KMGTPE".index(suffix[0]) + 1)
    return number.scaleb(_POWERS.get(suffix, int(found["exponent"] or 0)))


def _under(path: str, key: str) -> str:
    if not path:
        return key
    return f"{path}.{key}" if re.fullmatch(r"[A-Za-z_][\w-]*", key) else f"{path}[{key}]"


def _place(path: str, position: int, item: Mapping[str, Any]) -> str:
    return f"{path}[{item.get('name', position)}]"
