"""The JSON document is a contract: format version 1.0 has these fields, of these types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from m2s.base.errors import PlanFileError
from m2s.output import document, saved_plan

GOLDEN = Path(__file__).parents[1] / "golden"
NULLABLE = (str, type(None))
CHANGE = {
    "action": str, "name": str, "namespace": str, "owner": NULLABLE, "model": NULLABLE,
    "version": NULLABLE, "models": list, "template": NULLABLE, "run_id": NULLABLE,
    "model_uri": NULLABLE, "reason": str, "notes": list, "warnings": list, "ignored": list,
    "fields": list, "desired_digest": NULLABLE, "live": (dict, type(None)),
}  # fmt: skip
PLAN = {
    "format_version": str, "registry": str, "target": str, "namespace": str, "selectors": list,
    "owners": list, "models": list, "summary": dict, "changes": list, "skipped": list,
    "warnings": list,
}  # fmt: skip


def has_shape(value: dict[str, Any], shape: dict[str, Any]) -> bool:
    return value.keys() == shape.keys() and all(
        isinstance(value[name], kind) for name, kind in shape.items()
    )


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*/plan.json")), ids=lambda p: p.parent.name)
def test_format_version_1_0_keeps_its_shape(path: Path) -> None:
    plan = json.loads(path.read_text())
    assert plan["format_version"] == document.FORMAT_VERSION == "1.0"
    assert has_shape(plan, PLAN)
    assert plan["summary"].keys() == {
        "create", "update", "delete", "unchanged", "blocked", "skipped"
    }  # fmt: skip
    for change in plan["changes"]:
        # Told where not all are of the first platform.
        assert has_shape(change, CHANGE | ({"platform": str} if "platform" in change else {}))
        assert change["action"] in plan["summary"]
        assert all(one.keys() == {"model", "version", "alias"} for one in change["models"])
        assert all(field.keys() == {"path", "kind", "old", "new"} for field in change["fields"])
        if change["live"]:
            assert change["live"].keys() == {"uid", "resource_version", "digest"}
    for skipped in plan["skipped"]:
        assert skipped.keys() == {"model", "version", "selector", "reason"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a saved plan"),
        ("[]", "not a saved plan"),
        ('{"format_version": "9.0"}', "format version 9.0; this m2s reads 1.0"),
        ('{"format_version": "1.0"}', "not a saved plan"),
        ('{"format_version": "1.0", "settings": {}, "changes": []}', "not a saved plan"),
    ],
)
def test_refuses_what_is_no_saved_plan(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(content)
    with pytest.raises(PlanFileError, match=f"plan.json: .*{message}"):
        saved_plan.load(str(file))


def change(**given: Any) -> dict[str, Any]:
    live = {"uid": "u", "resource_version": "1", "digest": "d"}
    return {
        "name": "iris", "model": "iris", "action": "update", "version": "2", "model_uri": "s3://2",
        "desired_digest": "x", "live": live, **given,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"version": "3"}, "the version was 2 and is 3"),
        ({"model_uri": "s3://3"}, "the model URI was s3://2 and is s3://3"),
        ({"action": "unchanged"}, "the action was update and is unchanged"),
        ({"desired_digest": "y"}, "its description changed"),
        ({"live": {"uid": "u", "resource_version": "2", "digest": "e"}}, "resourceVersion 1 → 2"),
        ({"live": {"uid": "v", "resource_version": "2", "digest": "d"}}, "the object in the"),
    ],
)  # fmt: skip
def test_says_what_moved_since_a_plan_was_saved(given: dict[str, Any], words: str) -> None:
    sides = {"registry": "r", "target": "t"}
    saved = {**sides, "changes": [change()]}
    (move,) = saved_plan.moved(saved, {**sides, "changes": [change(**given)]})
    assert move.startswith("iris: ")
    assert words in move


def test_a_status_update_does_not_make_a_plan_stale() -> None:
    saved = {"registry": "r", "target": "t", "changes": [change()]}
    live = {"uid": "u", "resource_version": "2", "digest": "d"}
    assert saved_plan.moved(saved, {**saved, "changes": [change(live=live)]}) == []


def test_says_when_a_plan_was_made_elsewhere_or_for_other_objects() -> None:
    saved = {"registry": "r", "target": "t", "changes": [change()]}
    fresh = {"registry": "r", "target": "T", "changes": [change(name="wine", model="wine")]}
    assert saved_plan.moved(saved, fresh) == [
        "the target was t and is T",
        "iris: update is no longer wanted",
        "wine: update is new",
    ]
