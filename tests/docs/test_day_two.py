"""``docs/day-two.md`` names a test for each point, and these tests are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\|( .*? | )\| (.+) \| `([\w/.]+)::(\w+)` \|$")


def rows() -> list[str]:
    """The rows of the table, without its head."""
    lines = (ROOT / "docs" / "day-two.md").read_text().splitlines()
    return [line for line in lines if line.startswith("| ")][1:]


def test_each_point_names_a_test_that_is_there() -> None:
    missing = []
    for row in rows():
        found = ROW.match(row)
        assert found, f"no test is named in: {row}"
        file, name = ROOT / found[3], found[4]
        if not file.is_file() or f"\ndef {name}(" not in file.read_text():
            missing.append(f"{found[3]}::{name}")
    assert missing == []
    assert len(rows()) > 5


def test_all_thirteen_points_are_there() -> None:
    numbers = [int(found[1]) for row in rows() if (found := re.match(r"\| (\d+)\. ", row))]
    assert sorted(set(numbers)) == list(range(1, 14))
