"""Find or make the environment that an MLflow server of one generation runs in.

Each has what ``pins/VERSION.txt`` names and nothing else, which is what the server needs, and stays
in this project's cache. Its Python is found on PATH, among pyenv's, or by uv. As a command
(``python -m tests.generations.environments``) it makes them all, and says which cannot be made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.generations import GENERATIONS, NEWEST, Generation
from tests.kits import programs

MODULE = Path(__file__).resolve().parent / "pins"
_INSTALL_SECONDS = 1200
_FOUND_SECONDS = 60
_LOOK = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
# Now: the tests get a home of their own.
_PYENV = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
_say = programs.teller("mlflow")


def provide(generation: Generation) -> Path | None:
    """Return the Python of a generation's environment, made when needed; None where it cannot be.

    The newest one is the environment that this runs in.
    """
    if generation.version == NEWEST:
        return Path(sys.executable)
    made = programs.cache("mlflow", MODULE, _pins(generation)) / generation.version
    if not _is_whole(made) and not programs.made(
        made, lambda new: _make(generation, new), _is_whole
    ):
        return None
    return made / "bin" / "python"


def hint(generation: Generation) -> str:
    """Say what is missing for an environment."""
    return (
        f"no MLflow {generation.version}: it wants Python {generation.python} (on PATH, of pyenv or"
        " of uv) and packages from the index; `python -m tests.generations.environments` makes it"
    )


def _pins(generation: Generation) -> str:
    return f"{generation.version}.txt"


def _is_whole(environment: Path) -> bool:
    return (environment / "bin" / "python").exists()


def _make(generation: Generation, new: Path) -> bool:
    python = next(filter(_is_usable(generation.python), _pythons(generation.python)), None)
    if python is None:
        return False
    _say(f"making an environment of MLflow {generation.version} (once; a minute)")
    own = new / "bin" / "python"
    pins = ["--no-deps", "--requirement", str(MODULE / _pins(generation))]
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins]
    whole = _runs([python, "-m", "venv", str(new)]) and _runs([str(own), *pip])
    if whole:
        _make_movable(new / "bin" / "gunicorn")
    return whole


def _make_movable(script: Path) -> None:
    """Have a script find its Python on PATH: the environment is renamed once it is whole."""
    if script.exists():
        text = script.read_text().partition("\n")[2]
        script.write_text(f"#!/usr/bin/env python\n{text}")


def _pythons(version: str) -> Iterator[str]:
    """Yield programs that may be Python of this version, the nearest first."""
    name = f"python{version}"
    yield from filter(None, [shutil.which(name), sys.executable])
    yield from (str(each / "bin" / name) for each in sorted(_PYENV.glob(f"{version}.*")))
    if uv := shutil.which("uv"):
        found = subprocess.run(
            [uv, "python", "find", version], capture_output=True, text=True, check=False
        )
        yield found.stdout.strip()


def _is_usable(version: str) -> Callable[[str], bool]:
    """Return whether a program is Python of this version and can make an environment."""

    def usable(python: str) -> bool:
        try:
            said = subprocess.run(
                [python, "-c", _LOOK],
                capture_output=True,
                text=True,
                timeout=_FOUND_SECONDS,
                check=False,
            )
        except OSError:
            return False
        return said.returncode == 0 and said.stdout.strip() == version

    return usable


def _runs(argv: list[str]) -> bool:
    done = subprocess.run(argv, stdout=sys.stderr, timeout=_INSTALL_SECONDS, check=False)
    return done.returncode == 0


def main() -> int:
    """Make every environment; 1 when one that is needed cannot be made."""
    missing = [one for one in GENERATIONS if provide(one) is None]
    for one in missing:
        _say(hint(one))
    return int(any(one.is_needed for one in missing))


if __name__ == "__main__":
    sys.exit(main())
