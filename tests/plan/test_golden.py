"""Golden cases: a registry and a folder of manifests, and what the plan looks like.

Each folder of ``tests/golden`` has ``case.yaml`` (settings, versions, templates, what is deployed)
and the plan as it is printed: ``plan.txt`` at 80 columns, ``plan.json`` and ``plan.md``. After a
wanted change, ``UPDATE_GOLDEN=1 make test`` writes them anew; read the difference before it is
committed.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from m2s.engine import reconcile
from m2s.output import document, markdown, plan_view
from m2s.plan.plan import Plan
from m2s.settings import build
from m2s.sources.templates import TemplateFolder
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.fakes import FakeRegistry

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/case.yaml"))


@pytest.fixture
def plan(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    given: dict[str, Any] = yaml.safe_load((case / "case.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    registry = FakeRegistry()
    for version in given["registry"]:
        registry.add(**version)
    folder = Path("cluster/default")
    folder.mkdir(parents=True)
    for stored in given.get("cluster", []):
        bodies = stored if isinstance(stored, list) else [stored]
        name, kind = bodies[0]["metadata"]["name"], bodies[0]["kind"].lower()
        file = f"{name}.{kind}.yaml" if bodies[1:] else f"{name}.yaml"
        (folder / file).write_text(yaml.safe_dump_all(bodies))
    for name, text in given.get("templates", {}).items():
        Path("templates").mkdir(exist_ok=True)
        Path("templates", name).write_text(text)
    if "config" in given:
        Path("m2s.yaml").write_text(yaml.safe_dump(given["config"]))
    flags = given.get("settings", {})
    selector = {} if "split" in flags else {"stage": ["Staging"]}
    chosen = build.build({**selector, **flags}, {})
    target = FolderCluster(Path("cluster"), "default")
    templates = TemplateFolder("templates") if "templates" in given else None
    return reconcile.make_plan(registry, target, chosen, templates)


def printed(plan: Plan) -> dict[str, str]:
    text = io.StringIO()
    Console(file=text, width=80, highlight=False).print(plan_view.plan_table(plan))
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    assert all(len(line) <= 80 for line in lines)
    values = document.of_plan(plan)
    return {
        "plan.txt": "\n".join([*lines, ""]),
        "plan.json": json.dumps(values, indent=2, ensure_ascii=False) + "\n",
        "plan.md": markdown.plan_markdown(plan),
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_plan_reads_as_it_did(case: Path, plan: Plan) -> None:
    for name, text in printed(plan).items():
        if os.environ.get("UPDATE_GOLDEN"):
            (case / name).write_text(text)
        assert text == (case / name).read_text(), name
