"""A stranger's texts reach nobody as commands: not a terminal, not Markdown, not a log."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from m2s.base import printable
from m2s.engine import reconcile
from m2s.observers import logs
from m2s.output import document, markdown, plan_view, tables, words
from m2s.plan.plan import Plan
from m2s.settings import build
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.fakes import FakeRegistry
from tests.kits.support import seldon, tried

NASTY = (
    "\x1b[31mred", "\x1b]0;title\x07", "\x9b2J", "\x85", "a\nb", "a\r\nforged line", "\u202eevil",
    "\u2066x\u2069", "\u200b", "\u2028", "\ud800", "@everyone", "@here", "@octocat", "see #123",
    "org/repo#1", "GH-12", "!7", "`rm -rf`", "``", "a|b", "<img src=x onerror=alert(1)>",
    "<!channel>", "&lt;b&gt;", "[click](https://evil.example)", "![x](http://evil.example/x.png)",
    "https://evil.example", "www.evil.example", "mail me@evil.example", "**bold**", "~~gone~~",
    "# heading", "- list", "$\\href{x}{y}$", "\\`x`", "\\", "{{ x }}", "%s %d {0}", "\x00",
    "é→日本",
)  # fmt: skip
texts = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_categories=()), max_size=40),
    st.lists(st.sampled_from(NASTY), max_size=4).map(" ".join),
)


def plan_of(folder: Path, name: str, text: str) -> Plan:
    """Return a plan in which a stranger's text is wherever one can be put."""
    registry = FakeRegistry()
    body = seldon()
    predictor = body["spec"]["predictors"][0]
    predictor["graph"]["parameters"] = [{"name": text, "value": text, "type": "STRING"}]
    predictor["annotations"] = {"about": text, text: "x"}
    registry.add(f"{name}{text}", json.dumps(body))
    registry.add(f"{name}2{text}", None, tags={text: text})
    registry.add(f"{name}3{text}", json.dumps(body), source=f"file:{text}")
    registry.add(f"{name}4{text}", json.dumps(body), tags={f"m2s.io/{text}": text})
    registry.add(f"{name}5", text)
    registry.spoil(f"{name}5", 1, f"cannot be read: {text}")
    chosen = build.build({"stage": ["Staging"]}, {})
    return reconcile.make_plan(registry, FolderCluster(folder, "default"), chosen)


def table(plan: Plan) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        tables.show(plan_view.plan_table(plan, tables.width()))
    return out.getvalue()


def log(plan: Plan, formatter: logging.Formatter) -> str:
    lines = []
    for change in plan.changes:
        text = f"blocked {change.key.name}: {change.reason}"
        record = logging.LogRecord("m2s", logging.INFO, "", 0, "%s", (text,), None)
        record.m2s = {"deployment": change.key.name, "reason": change.reason}
        lines.append(formatter.format(record))
    return "\n".join(lines)


def console(plan: Plan) -> str:
    return log(plan, logs.ConsoleFormatter())


def log_json(plan: Plan) -> str:
    said = log(plan, logs.JsonFormatter())
    assert all(isinstance(json.loads(line), dict) for line in said.split("\n") if line)
    return said


def plan_json(plan: Plan) -> str:
    said = document.text(document.of_plan(plan), "json")
    assert json.loads(said)["changes"]
    return said


def plan_yaml(plan: Plan) -> str:
    said = document.text(document.of_plan(plan), "yaml")
    assert yaml.safe_load(said)["changes"]
    return said


OUTPUTS: tuple[Callable[[Plan], str], ...] = (
    table, markdown.plan_markdown, console, log_json, plan_json, plan_yaml,
)  # fmt: skip


@pytest.mark.thorough
@tried(60, sharing=True)
@given(name=st.sampled_from(("", "iris", "a b")), text=texts)
def test_no_output_has_a_character_that_acts(
    tmp_path_factory: pytest.TempPathFactory, name: str, text: str
) -> None:
    plan = plan_of(tmp_path_factory.mktemp("cluster"), name, text)
    for output in OUTPUTS:
        said = output(plan)
        for line in said.split("\n"):
            assert line.isprintable(), (output, line)
        # A stranger's line end makes no line of its own.
        assert not any(line.startswith("forged line") for line in said.split("\n"))


@tried(300)
@given(texts)
def test_an_escaped_line_is_one_line_and_the_same_again(text: str) -> None:
    shown = printable.line(text)
    assert shown.isprintable()
    assert printable.line(shown) == shown
    assert not text.isprintable() or shown == text


def rendered(cell: str) -> tuple[str, str]:
    """Return what of a Markdown cell is text, and what is code; by CommonMark's rules for both."""
    text, code = "", ""
    rest = cell.replace("&#96;", "\N{FULLWIDTH GRAVE ACCENT}")
    while rest:
        if rest[0] == "\\" and len(rest) > 1 and not rest[1].isalnum() and rest[1] != " ":
            text, rest = text + "\N{MIDDLE DOT}", rest[2:]  # a character that is only itself
        elif rest[0] == "`":
            inside, closed, rest = rest[1:].partition("`")
            assert closed, cell
            code += inside
        else:
            text, rest = text + rest[0], rest[1:]
    return text, code


@tried(500)
@given(texts)
def test_in_markdown_nothing_notifies_links_or_formats(text: str) -> None:
    cell = words.cell(text)
    plain, code = rendered(cell.replace("<br>", " "))
    assert "|" not in plain + code
    assert not re.search(r"[<>*_\[\]~&]", plain), cell
    assert not re.search(r"@\w|[#!%]\w|\$|https?://|ftp://|www\.|GH-\d", plain, re.I), cell


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("promoted v1 → v2", "promoted v1 → v2"),
        ("ping @everyone", "ping `@everyone`"),
        ("fixes #12, org/repo#3", "fixes `#12`, `org/repo#3`"),
        ("see https://evil.example/x", "see `https://evil.example/x`"),
        ("s3://models/a_b", "s3://models/a\\_b"),
        ("a|b `c`", "a\\|b &#96;c&#96;"),
        ("<b>", "\\<b\\>"),
        ("\x1b[0m", "\\\\x1b\\[0m"),
    ],
)  # fmt: skip
def test_markdown_shows_a_text_as_it_is(text: str, cell: str) -> None:
    assert words.cell(text) == cell
