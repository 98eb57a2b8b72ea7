"""What keeps the project: workflows, the release, decision records, the contributor's page."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from m2s import __version__
from tests import actionlint
from tests.kits.core import PROJECT

WORKFLOWS = sorted((PROJECT / ".github").rglob("*.yml"))
DECISIONS = sorted((PROJECT / "docs" / "decisions").glob("[0-9]*.md"))
CI = yaml.safe_load((PROJECT / ".github" / "workflows" / "ci.yml").read_text())
METADATA = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]


@pytest.mark.server
def test_the_workflows_are_what_github_takes() -> None:
    program = actionlint.provide()
    if program is None and os.environ.get("M2S_REQUIRE_CLUSTER") != "1":
        pytest.skip(actionlint.HINT)
    assert program, actionlint.HINT
    argv = [str(program), *(str(path) for path in WORKFLOWS if path.parent.name == "workflows")]
    done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_others_actions_are_pinned_and_may_do_little(path: Path) -> None:
    text = path.read_text()
    for action in re.findall(r"uses: (?!\./)(.*)", text):
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
    if path.parent.name == "workflows":
        workflow: dict[str, Any] = yaml.safe_load(text)
        assert workflow["permissions"] == {}
        assert all("permissions" in job for job in workflow["jobs"].values())


def test_every_supported_python_is_tried() -> None:
    tried = CI["jobs"]["fast"]["strategy"]["matrix"]["python"]
    named = [one.rpartition(" ")[2] for one in METADATA["classifiers"] if " :: 3." in one]
    assert tried == named
    assert METADATA["requires-python"] == f">={tried[0]}"


@pytest.mark.parametrize("script", ["run", "release"])
def test_the_scripts_of_ci_can_be_read_and_run(script: str) -> None:
    path = PROJECT / ".ci" / script
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_the_chart_has_the_version_of_the_program() -> None:
    chart = yaml.safe_load((PROJECT / "charts" / "m2s" / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_a_release_of_another_version_is_refused() -> None:
    argv = [str(PROJECT / ".ci" / "release"), "99.0.0"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "release 99.0.0: m2s/__init__.py has another version\n"


def test_hooks_run_what_is_there() -> None:
    config = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())
    entries = [hook["entry"].split()[0] for repo in config["repos"] for hook in repo["hooks"]]
    programs = {Path(entry).name for entry in entries if entry.startswith(".venv/bin/")}
    makefile = (PROJECT / "Makefile").read_text()
    assert programs == set(re.findall(r"^\t\$\(BIN\)/(\S+)", checks(makefile), re.M))


def checks(makefile: str) -> str:
    """The recipe of ``make check``."""
    return makefile.partition("\ncheck: ")[2].partition("\n\n")[0]


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_says_what_was_rejected(page: Path) -> None:
    text = page.read_text()
    number = int(page.stem[:4])
    assert re.match(rf"# {number}\. .+\n\n\d{{4}}-\d{{2}}-\d{{2}}\n\n", text)
    assert re.findall(r"(?m)^## (.+)$", text) == ["Context", "Decision", "Rejected"]
    title = text.splitlines()[0].partition(". ")[2]
    assert f"[{number}]({page.name}) | {title} |" in (page.parent / "README.md").read_text()


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(page.stem[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_contributing_names_targets_that_there_are() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    named = re.findall(r"`make ([a-z_-]+)", (PROJECT / "CONTRIBUTING.md").read_text())
    assert named
    assert [one for one in named if f"\n{one}:" not in makefile] == []
    paths = re.findall(r"\btests/[\w./]+", (PROJECT / "CONTRIBUTING.md").read_text())
    assert [one for one in paths if not (PROJECT / one).exists()] == []
