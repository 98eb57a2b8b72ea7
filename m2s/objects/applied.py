"""Pure: the proof, from the live object alone, that the server would change nothing (law 3).

A server-side apply changes nothing when the field manager that applies owns exactly the fields it
says, and each of them has the value it says. Both are in the live object. What this proves needs
no dry run; whatever it cannot prove is for the server to say.

Under server-side apply a field that its manager no longer says is removed, one that it says with
another value is set, and one that is new to it is added (Kubernetes' documentation, "Server-Side
Apply: Field management"): with the same fields and the same values there is none of the three.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from m2s.base.labels import FIELD_MANAGER
from m2s.objects.body import Body, owners

_IDENTITY = frozenset({"apiVersion", "kind"})
_IDENTITY_IN_METADATA = frozenset({"name", "namespace"})


def changes_nothing(body: Body, live: Body) -> bool:
    """Whether applying ``body`` as it is over ``live`` provably leaves ``live`` as it is.

    False says nothing: the server has to be asked. So it is for an object that m2s did not apply,
    that m2s wrote in another way as well, of which it owns a field in a way that is unknown here,
    or that the server stores otherwise than written (``ports[].protocol`` is filled in).
    """
    managed = (live.get("metadata") or {}).get("managedFields") or ()
    entries = [each for each in managed if each.get("manager") == FIELD_MANAGER]
    if len(entries) != 1 or not _is_apply(entries[0], body):
        return False
    said = _said(body)
    fields = _field_set(said)
    if whose := owners(body):  # told apart by their uids
        keys = (json.dumps({"uid": each["uid"]}, separators=(",", ":")) for each in whose)
        fields["f:metadata"]["f:ownerReferences"] = {f"k:{key}": {} for key in keys}
    return entries[0].get("fieldsV1") == fields and _is_there(said, live)


def _is_apply(entry: Mapping[str, Any], body: Body) -> bool:
    """Whether an entry of managedFields is of server-side apply, in the version m2s writes."""
    kind = (entry.get("operation"), entry.get("apiVersion"), entry.get("fieldsType"))
    return kind == ("Apply", body["apiVersion"], "FieldsV1") and not entry.get("subresource")


def _said(body: Body) -> dict[str, Any]:
    """Return what a field manager can own of an object: all but what tells which object it is."""
    metadata = body["metadata"]
    owned = {name: part for name, part in metadata.items() if name not in _IDENTITY_IN_METADATA}
    rest = {name: part for name, part in body.items() if name not in _IDENTITY}
    return {**rest, "metadata": owned}


def _field_set(value: Any) -> dict[str, Any]:
    """Return a value's fields as managedFields lists them (apimachinery's ``FieldsV1``).

    Lists are leaves: those of the CRD have no list type, which makes them atomic. With a CRD where
    that is not so, or a map that is atomic, the sets differ and the server is asked.
    """
    if not isinstance(value, dict):
        return {}
    return {f"f:{name}": _field_set(item) for name, item in value.items()}


def _is_there(said: Any, live: Any) -> bool:
    """Whether each leaf of ``said`` stands in ``live``, exactly; ``live`` may have more fields.

    As texts, which unlike Python's ``==`` tell 1 from 1.0 and from true.
    """
    if isinstance(said, dict) and said:
        return isinstance(live, dict) and all(
            name in live and _is_there(item, live[name]) for name, item in said.items()
        )
    if isinstance(said, str):
        return isinstance(live, str) and said == live
    return json.dumps(said, sort_keys=True) == json.dumps(live, sort_keys=True)
