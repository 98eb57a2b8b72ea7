"""The page for those who add a platform shows code that runs."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from m2s.platforms.platform import Platform
from tests.kits.platform_kit import EXAMPLES, TOY
from tests.kits.toy import platform as toy

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_code_is_the_toys() -> None:
    code = Path(toy.__file__).read_text()
    *blocks, row = BLOCKS
    assert len(blocks) == 7
    for block in blocks:
        for function in block.strip().split("\n\n\n"):
            assert textwrap.indent(function, "    ") in code
    assert f'"{TOY.resource.kind}"' in row
    assert f'"{TOY.resource.group}"' in row
    assert "kind: ToyServer" in EXAMPLES["toy"].deploy


def test_what_has_no_default_is_counted_right() -> None:
    members = [name for name in vars(Platform) if callable(vars(Platform)[name])]
    bare = [name for name in members if "NotImplementedError" in _code(name)]
    assert len(bare) == 9
    assert "Nine of them have no default" in PAGE
    assert all(name in vars(toy.Toy) for name in bare)


def _code(name: str) -> tuple[str, ...]:
    names: tuple[str, ...] = getattr(Platform, name).__code__.co_names
    return names
