"""docs/tutorial.md works as it is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()


@pytest.mark.slow
def test_the_tutorial_from_the_first_line_to_the_last(tmp_path: Path) -> None:
    files = dict(re.findall(r"```\w+\n# (\S+)\n(.*?)```", TUTORIAL, re.DOTALL))
    assert set(files) == {"deploy.yaml", "log.py", "promote.py", "m2s.yaml"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    def run(*argv: str) -> str:
        answer = subprocess.run(
            [sys.executable, *argv],
            check=False,
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    run("log.py")
    run("promote.py", "1")
    assert "+  greeter" in run("-m", "m2s", "plan")
    run("-m", "m2s", "apply", "--yes")
    assert (tmp_path / "cluster/default/greeter.yaml").is_file()
    assert "0 to create, 0 to update" in run("-m", "m2s", "plan")
    run("log.py")
    run("promote.py", "2")
    assert "~  greeter" in run("-m", "m2s", "plan")
    run("-m", "m2s", "apply", "--yes")
    assert "v1" in run("-m", "m2s", "rollback", "greeter", "--yes")
