"""What is written down is what m2s does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from m2s.cli import main
from m2s.settings.options import OPTIONS
from tests.kits import reference

ROOT = Path(__file__).parents[2]
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
    assert {"plan", "prune"} <= set(printed.stdout.split())


def test_the_page_of_options_is_the_table() -> None:
    assert reference.PAGE.read_text() == reference.page(), "run `make docs`"


COMMANDS = dict(reference.commands())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_screen_and_names_each_variable(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command.split()
    assert main([*words, "--help"]) == 0
    short = capsys.readouterr().out
    assert main([*words, "--help-all"]) == 0
    whole = capsys.readouterr().out
    assert len(short.splitlines()) <= 60
    shown = {name: f"[{option.variable}]" in short for name, option in OPTIONS.items()}
    here = [option for option in OPTIONS.values() if words[0] in option.commands]
    assert [option.name for option in here if shown[option.name] is option.rare] == []
    assert [option.name for option in here if f"[{option.variable}]" not in whole] == []


def test_each_summary_is_short_enough_for_a_list() -> None:
    summaries = {name: (command.help or "").splitlines()[0] for name, command in COMMANDS.items()}
    assert {name: text for name, text in summaries.items() if len(text) > 60} == {}


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


PAGES = ["README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))]


@pytest.mark.parametrize("page", PAGES)
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
