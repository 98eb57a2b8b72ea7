"""The published JSON Schema says what ``-o json`` prints, and saved plans stay small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from m2s.output import document, saved_plan
from m2s.output.markdown import ROOM, plan_markdown
from m2s.settings import build
from tests.kits.fakes import FakeRegistry
from tests.kits.support import description, m2s
from tests.kits.worlds import World
from tests.observers.test_page import Watched

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "reference" / "output.schema.json").read_text()
)
TYPES: dict[str, Any] = {
    "string": str, "null": type(None), "boolean": bool, "integer": int, "object": dict,
    "array": list, "number": (int, float),
}  # fmt: skip
GOLDEN = Path(__file__).parents[1] / "golden"


def misfits(value: Any, schema: dict[str, Any], path: str = "$") -> list[str]:
    """What of a value is not as a schema says, or is not in it.

    It has so much of JSON Schema as the published one is written in.
    """
    if ref := schema.get("$ref"):
        schema = SCHEMA["$defs"][ref.rpartition("/")[2]]
    if choices := schema.get("anyOf"):
        return min((misfits(value, one, path) for one in choices), key=len)
    wanted = schema.get("type", list(TYPES))
    types = tuple(TYPES[name] for name in ([wanted] if isinstance(wanted, str) else wanted))
    listed = [schema["const"]] if "const" in schema else schema.get("enum", [value])
    if not isinstance(value, types) or value not in listed:
        return [f"{path} is {value!r}"]
    lacking = [name for name in schema.get("required", ()) if name not in value]
    found = [f"{path}.{name} is missing" for name in lacking]
    for name, inner in value.items() if "properties" in schema else ():
        known = schema["properties"].get(name, {"enum": ["in the schema"]})
        found += misfits(inner, known, f"{path}.{name}")
    for number, item in enumerate(value if "items" in schema else ()):
        found += misfits(item, schema["items"], f"{path}[{number}]")
    return found


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*/plan.json")), ids=lambda p: p.parent.name)
def test_each_plan_is_as_the_schema_says(path: Path) -> None:
    assert misfits(json.loads(path.read_text()), SCHEMA["$defs"]["plan"]) == []


def test_what_the_commands_print_is_as_the_schema_says(on_folder: World, tmp_path: Path) -> None:
    on_folder.models.add("iris", description("iris"))
    file = tmp_path / "plan.json"
    printed = [on_folder("plan", "-o", "json", "--out", str(file)).document]
    printed += [json.loads(file.read_text()), on_folder("apply", "-o", "json").document]
    target = on_folder.flags[on_folder.flags.index("--target") :]
    for argv in (["status"], ["status", "iris"], ["pause", "iris"], ["history", "iris"]):
        printed.append(m2s(*argv, *target, "-o", "json").document)
    assert [misfits(one, SCHEMA) for one in printed] == [[]] * len(printed)
    assert misfits({**printed[0], "namespace": 7}, SCHEMA["$defs"]["plan"]) != []


def creations(count: int, folder: Path) -> Any:
    """Return the plan of so many first creations."""
    watched = Watched(folder)
    registry: FakeRegistry = watched.registry
    for number in range(count):
        registry.add(f"model-{number}", description(f"model-{number}"))
    return watched.make().plan


@pytest.mark.slow
def test_a_saved_plan_of_300_deployments_is_small(tmp_path: Path) -> None:
    many = creations(300, tmp_path)
    file = tmp_path / "plan.json"
    saved_plan.save(str(file), many, build.build({"stage": ["Staging"]}, {}), [])
    assert file.stat().st_size < 200_000
    loaded = saved_plan.load(str(file))
    assert not saved_plan.stale(loaded, many)
    assert len(loaded["changes"]) == 300


@pytest.mark.thorough
def test_markdown_fits_into_a_comment_and_counts_what_it_leaves_out(tmp_path: Path) -> None:
    many = creations(200, tmp_path)
    text = plan_markdown(many)
    assert len(text) < ROOM
    assert "**Plan: 200 to create, 0 to update, 0 to delete, 0 unchanged**" in text
    assert text.count("<details>") == text.count("</details>") > 0
    left = 200 - text.count("<details>")
    assert f"{left} more details of deployments are left out" in text
    assert document.FORMAT_VERSION == "1.0"
