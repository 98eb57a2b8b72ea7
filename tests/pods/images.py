"""What stands for an image: environments of this machine, found by the image's name.

A container of an image sees the folders of its environment, for reading, and the machine's own
``/usr`` and ``/lib``. No image is pulled, and a name that is not here is one that cannot be.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SYSTEM = ("/bin", "/lib", "/usr", "/sbin", "/etc", "/dev", "/proc")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROJECT = Path(__file__).resolve().parents[2]
_STOCK = f"python:{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = f"{_STOCK}-slim"
"""The stock Python image that the lab has: of the Python that the tests run in."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """What a container of it has: folders, variables, and the program without ``command``."""

    folders: tuple[str, ...]
    environment: Mapping[str, str]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = field(default=())


def find(name: str) -> Image | None:
    """Return what stands for an image; None where nothing does."""
    every = (*_table(), *_ADDED)
    return next((image for pattern, image in every if re.search(pattern, name)), None)


_ADDED: list[tuple[str, Image]] = []


def add(name: str, python: str, command: Sequence[str]) -> None:
    """Have an environment of this machine stand for the image ``name``, of any tag.

    ``python`` is the environment's, ``command`` what a container without one is started by.
    """
    own = _own()
    here = str(Path(python).parent)
    environment = {**own.environment, "PATH": f"{here}:{sys.base_prefix}/bin:{_PATH}"}
    environment |= {"HOME": "/tmp", "PYTHONWARNINGS": "ignore"}
    folders = (*own.folders, str(Path(python).parents[1]))
    image = Image(folders=folders, environment=environment, command=tuple(command))
    _ADDED.append((rf"(^|/){re.escape(name)}(:|@|$)", image))


def _table() -> tuple[tuple[str, Image], ...]:
    own = _own()
    packages = {**own.environment, "PYTHONPATH": _packages(), **_OFFLINE}
    stock = Image(folders=own.folders, environment=packages, command=("python3",))
    return (
        (rf"^(docker\.io/(library/)?)?{re.escape(_STOCK)}(-slim)?$", stock),
        (r"(^|/)(mlflow-)?m2s(:|@|$)", own),
    )


_OFFLINE = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
"""pip finds what a model of these tests requires installed already, and nothing else."""


def _own() -> Image:
    """Return the environment that the tests run in, as m2s's own image."""
    found = (sys.prefix, sys.base_prefix, *sys.path, str(_PROJECT))
    wanted = sorted({path for path in found if path and Path(path).is_dir()})
    folders = [path for path in wanted if not any(_is_below(path, each) for each in _SYSTEM)]
    outer = [each for each in folders if not any(_is_below(each, other) for other in folders)]
    path = f"{sys.prefix}/bin:{sys.base_prefix}/bin:{_PATH}"
    environment = {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8"}
    environment["MLFLOW_DISABLE_TELEMETRY"] = "true"
    program = (f"{sys.prefix}/bin/m2s",)
    return Image(folders=tuple(outer), environment=environment, entrypoint=program)


def _is_below(path: str, other: str) -> bool:
    return path != other and Path(path).is_relative_to(other)


def _packages() -> str:
    return ":".join(path for path in sys.path if path.endswith("site-packages"))
