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


WORDS = re.compile(
    r"SeldonDeployment|InferenceService|seldon\.io|kserve\.io|predictors?\b|modelUri|storageUri|"
    r"envSecretRefName|MLFLOW_SERVER|modelFormat|componentSpecs|svc-name|STORAGE_URI"
)
ELSEWHERE = {
    "base/mask.py": "fields that refer to a Secret, whose names are no secret",
    "domain/versions.py": "the kind of a key that an older m2s noted",
    "sources/mlflow/sample.py": "the deploy.yaml of the demo",
}
"""Files outside the platforms that have a platform's word, and why."""


def words(source: Path) -> set[str]:
    """Return a platform's words in a file's code; comments and docstrings may explain with them."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
        if isinstance(node.body[0], ast.Expr)
    }
    texts = [
        str(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in told
    ]
    return {word for text in texts for word in WORDS.findall(text)}


def test_a_platforms_words_are_said_by_the_platforms_alone() -> None:
    files = [file for file in ROOM.rglob("*.py") if "platforms" not in file.parts]
    found = {str(file.relative_to(ROOM)): words(file) for file in files}
    assert {name: said for name, said in found.items() if said}.keys() == ELSEWHERE.keys(), found
    assert any(words(file) for file in (ROOM / "platforms").rglob("*.py"))


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
