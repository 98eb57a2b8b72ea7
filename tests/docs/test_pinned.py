"""What people, pipelines and charts wrote down goes on being taken: ``tests/data/pinned.yaml``.

Something new is added to that file. Taking a line out of it breaks somebody: docs/upgrading.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from m2s.cli import main
from tests.kits.chart_kit import CHART
from tests.kits.support import Models, Result, m2s
from tests.kits.worlds import World

PINNED: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[1] / "data" / "pinned.yaml").read_text()
)
COMMANDS: dict[str, dict[str, list[str]]] = PINNED["commands"]
USAGE = 64


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, without an m2s.yaml."""
    monkeypatch.chdir(tmp_path)


def takes(command: str, *argv: str) -> Result:
    """Ask for help behind options: one that is not known is refused before that, by its name."""
    return m2s(*command.split(), *argv, "--help")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_takes_its_options(command: str) -> None:
    options = COMMANDS[command].get("values", [])
    once = [option for option in options if option != "-n"]  # not beside --namespace
    values = [part for option in once for part in (option, "x")]
    assert takes(command, *values, *COMMANDS[command].get("flags", [])).code == 0
    assert "-n" not in options or takes(command, "-n", "x").code == 0
    assert takes(command, "--no-such-option").code == USAGE


class Recording(dict[str, str]):
    """An environment that knows which variables it was asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> str:
        self.asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)


def test_the_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = Recording(dict(os.environ))
    monkeypatch.setattr(os, "environ", environment)
    needs = {name: ["iris"] for name in ("rollback", "pause", "resume", "history")}
    needs["webhook register"] = ["--url", "https://h/mlflow"]
    for command in COMMANDS.keys() - {"demo", "init"}:  # which ask nobody
        assert main([*command.split(), *needs.get(command, [])]) in (1, USAGE)
    assert set(PINNED["variables"]) <= environment.asked


def test_the_variables_of_make_are_read() -> None:
    script = (CHART.parent / "release.sh").read_text()
    assert {name for name in PINNED["make"] if name not in script} == set()


@pytest.mark.thorough
def test_the_keys_of_the_file_are_known() -> None:
    def said(key: str) -> str:
        Path("m2s.yaml").write_text(f"{key}: [[]]\n")
        return m2s("plan", "--stage", "Staging").error

    assert [key for key in PINNED["keys"] if "no such key" in said(key)] == []
    assert "no such key" in said("stages-of-the-moon")


def test_the_chart_takes_its_values() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    gone = [value for value in PINNED["chart"] if not property_of(schema, schema, value.split("."))]
    assert gone == []


def property_of(root: Any, schema: Any, path: list[str]) -> bool:
    """Whether a JSON schema has a property at this path."""
    if not path:
        return True
    while "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/").removeprefix("#/definitions/")
        schema = root.get("$defs", root.get("definitions", {}))[name]
    inner = schema.get("properties", {}).get(path[0])
    return inner is not None and property_of(root, inner, path[1:])


def test_documents_are_of_this_format(on_folder: World) -> None:
    on_folder.models.add("iris")
    made = {"plan": on_folder("plan", "-o", "json"), "apply": on_folder("apply", "-o", "json")}
    made["status"] = m2s("status", *on_folder.flags[:2], *on_folder.flags[4:], "-o", "json")
    made["explain"] = on_folder("plan", "--explain", "iris-staging", "-o", "json")
    made["rollback"] = m2s(
        "rollback", "iris-staging", "--unpin", *on_folder.flags[4:], "-o", "json"
    )
    for name, wanted in PINNED["documents"].items():
        document = made[name].document
        assert document["format_version"] == PINNED["format_version"], name
        assert set(wanted) <= document.keys(), name
    Path("plan.json").unlink(missing_ok=True)
    on_folder("plan", "--out", "plan.json")
    saved = json.loads(Path("plan.json").read_text())
    assert saved["format_version"] == PINNED["format_version"]


def test_exit_codes(on_folder: World) -> None:
    codes: dict[str, int] = PINNED["exit_codes"]
    models: Models = on_folder.models
    assert on_folder("plan", "--bogus").code == codes["wrong usage"]
    missing = ("--tracking-uri", "sqlite:///missing.db", *on_folder.flags[4:])
    assert m2s("plan", "--stage", "Staging", *missing).code == codes["an error"]
    models.add("iris")
    assert on_folder("plan").code == codes["done"]
    assert on_folder("plan", "--detailed-exitcode").code == codes["changes pending"]
    assert on_folder("apply").code == codes["done"]
    assert on_folder("plan", "--detailed-exitcode").code == codes["nothing to do"]
    models.add("broken", "spec: [")
    assert on_folder("apply").code == codes["a blocked row of apply"]
    models.delete("broken")
    models.move("iris", 1, "Archived")
    assert on_folder("apply", "--prune").code == codes["refused by a safety check"]
