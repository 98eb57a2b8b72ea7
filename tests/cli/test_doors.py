"""The first things people type: m2s alone, help, version; and what they type wrongly."""

from __future__ import annotations

import pytest

from m2s import __version__
from tests.kits.support import m2s, process

USAGE = 64


@pytest.mark.parametrize("group", [(), ("webhook",)], ids=["m2s", "m2s webhook"])
def test_without_a_command_the_help_comes_in_lines(group: tuple[str, ...]) -> None:
    alone, helped = m2s(*group), m2s(*group, "--help")
    assert (alone.code, alone.out, alone.err) == (USAGE, "", helped.out)
    assert len(alone.err.splitlines()) > 6


@pytest.mark.parametrize("words", [(), ("plan",), ("webhook",), ("webhook", "register")])
def test_help_is_a_command_too(words: tuple[str, ...]) -> None:
    asked, flag = m2s("help", *words), m2s(*words, "--help")
    assert (asked.code, asked.out, asked.err) == (0, flag.out, "")
    assert "\n  help " in m2s("help").out


def test_so_is_version() -> None:
    said = process("version")
    assert (said.code, said.out) == (0, f"m2s {__version__}\n")
    assert m2s("--version").out == said.out
    assert "\n  version " in m2s("help").out


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (("pln",), "No such command 'pln'. Did you mean 'plan'?"),
        (("help", "aply"), "No such command 'aply'. Did you mean 'apply'?"),
        (
            ("webhook", "registr"),
            "No such command 'registr'. Did you mean 'register', 'unregister'?",
        ),
        (("plan", "--stagee", "x"), "No such option: --stagee; did you mean --stage?"),
        (
            ("plan", "--max-deletes", "1"),
            "No such option: --max-deletes; did you mean --max-delete?",
        ),
        (
            ("--stage", "x", "plan"),
            "No such option: --stage; an option of a command stands behind it: m2s COMMAND --stage",
        ),
        (("plan", "-o", "jsn"), "there is no format 'jsn'; did you mean json?"),
        (
            ("status", "-o", "xml"),
            "there is no format 'xml'; there are table, json, yaml, markdown",
        ),
    ],
)
def test_a_typo_is_told_what_was_meant(argv: tuple[str, ...], line: str) -> None:
    said = m2s(*argv)
    assert (said.code, said.out) == (USAGE, "")
    assert said.error.endswith(line)


def test_so_is_a_typo_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M2S_OUTPUT", "yml")
    assert "there is no format 'yml'; did you mean yaml?" in m2s("status").error
