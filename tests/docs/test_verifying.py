"""``docs/verifying.md`` names a test for each platform, server and kind of example."""

from __future__ import annotations

import re
from pathlib import Path

from m2s.platforms import catalogue

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \| `([\w/.]+)::(\w+)` \|$")


def rows() -> list[str]:
    """The rows of the table, without its head."""
    text = (ROOT / "docs" / "verifying.md").read_text()
    section = text.partition("## What is shown by which test\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| ")][1:]


def test_each_cell_names_a_test_that_is_there() -> None:
    missing, platforms = [], set()
    for row in rows():
        found = ROW.match(row)
        assert found, f"no test is named in: {row}"
        platforms.add(found[1])
        file, name = ROOT / found[5], found[6]
        if not file.is_file() or f"\ndef {name}(" not in file.read_text():
            missing.append(f"{found[5]}::{name}")
    assert missing == []
    assert {f"`{name}`" for name in catalogue.names()} <= platforms


def test_what_does_not_work_says_why() -> None:
    told = [found[4] for found in map(ROW.match, rows()) if found]
    assert len(told) > 10
    assert [each for each in told if each.startswith("refused") and ":" not in each] == []
