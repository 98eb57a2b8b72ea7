"""Import laws that import-linter cannot express; the others are contracts in pyproject.toml."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOM = Path(__file__).resolve().parents[2] / "m2s"


def imported(source: Path) -> Iterator[str]:
    """Every module that a file names in an import, at the top or inside a function."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_only_one_room_draws_tables() -> None:
    drawers = {
        source.relative_to(ROOM).parts[0].removesuffix(".py")
        for source in ROOM.rglob("*.py")
        if "rich.table" in imported(source)
    }
    assert drawers <= {"output"}


def test_there_are_few_doors_and_the_figure_shows_them_all() -> None:
    doors = {each.stem for each in ROOM.iterdir() if each.name not in ("__pycache__", "py.typed")}
    assert len(doors) <= 16
    figure = (ROOM.parent / "ARCHITECTURE.md").read_text().split("    cli\n", 1)[1].split("\n\n")[0]
    shown = {"cli", *re.findall(r"\w+", figure)}
    assert shown == {each.name for each in ROOM.iterdir() if (each / "__init__.py").exists()}
    assert shown | {"__init__", "__main__"} == doors


def test_the_command_line_starts_without_its_clients() -> None:
    """Help and completion stay fast: the clients take a second and more to import."""
    slow = "{'mlflow', 'kubernetes', 'deepdiff', 'requests', 'urllib3'}"
    code = f"""if True:
        import atexit, sys
        atexit.register(lambda: print(sorted({slow} & set(sys.modules)), file=sys.stderr))
        from m2s.cli import main
        sys.argv = ["m2s", "--help"]
        sys.exit(main())"""
    answer = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert (answer.returncode, answer.stderr.strip()) == (0, "[]")
