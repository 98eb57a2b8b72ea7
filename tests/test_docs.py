"""What is written down is what m2s does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from m2s import settings
from m2s.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completions_are_fresh(shell: str) -> None:
    environ = {**os.environ, "_M2S_COMPLETE": f"source_{shell}"}
    script = "import sys; sys.argv = ['m2s']; from m2s.cli import main; sys.exit(main())"
    printed = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True
    )
    fresh = printed.stdout.lstrip("\n")
    assert fresh == (ROOT / "completions" / f"m2s.{shell}").read_text(), "run `make completions`"


def test_completion_offers_the_commands() -> None:
    environ = {
        **os.environ,
        "_M2S_COMPLETE": "complete_bash",
        "COMP_WORDS": "m2s p",
        "COMP_CWORD": "1",
    }
    script = "import sys; sys.argv = ['m2s']; from m2s.cli import main; sys.exit(main())"
    printed = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True
    )
    assert printed.stdout.split() == ["plan", "prune"]


def options_of(command: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    assert main([command, "--help"]) == 0
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", capsys.readouterr().out))


COMMANDS = ["check", "plan", "apply", "prune", "rollback", "status", "watch", "demo"]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_has_every_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    positive = {flag for flag in options_of(command, capsys) if not flag.startswith("--no-")}
    assert positive - set(re.findall(r"--[a-z][a-z-]+", README)) == set()


def test_every_setting_is_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    flags = options_of("apply", capsys) | options_of("watch", capsys)
    assert {f"--{name}" for name in settings.OPTIONS} <= flags


def test_help_imports_no_client() -> None:
    script = (
        "import sys; from m2s.cli import main; main(['--help']);"
        "print(sorted({'mlflow', 'kubernetes', 'deepdiff', 'rich', 'yaml'} & set(sys.modules)))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert printed.stdout.splitlines()[-1] == "[]"


def anchors(text: str) -> set[str]:
    """The headings of a page, as GitHub makes anchors of them."""
    headings = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", ["README.md", "docs/describing.md", "docs/watching.md"])
def test_links_lead_somewhere(page: str) -> None:
    here = ROOT / page
    for link in re.findall(r"\]\(([^)]+)\)", here.read_text()):
        path, _, anchor = link.partition("#")
        there = (here.parent / path).resolve() if path else here
        if "://" not in link:
            assert there.exists(), link
            assert not anchor or anchor in anchors(there.read_text()), link


def test_architecture_stays_short() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= 120
