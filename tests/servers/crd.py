"""Which CustomResourceDefinition the tests install: Seldon Core's own, or a small stand-in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

_PROJECT = Path(__file__).resolve().parents[2]
STAND_IN = _PROJECT / "tests" / "data" / "seldondeployments-crd.yaml"

# The C parser reads the real one, 1.8 MB, in a second instead of ten.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def crd_path() -> Path:
    """Return the CRD's path: M2S_SELDON_CRD, else ../shared/seldon/*.yaml, else the stand-in.

    Raises FileNotFoundError when M2S_SELDON_CRD names no file.
    """
    if named := os.environ.get("M2S_SELDON_CRD"):
        path = Path(named).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"M2S_SELDON_CRD={named}: no such file")
        return path
    found = sorted((_PROJECT.parent / "shared" / "seldon").glob("*crd*.yaml"))
    return found[-1] if found else STAND_IN


def load_crd() -> dict[str, Any]:
    """Return the CRD as decoded JSON."""
    with crd_path().open(encoding="utf-8") as file:
        body: dict[str, Any] = yaml.load(file, Loader=_Loader)  # noqa: S506 - a safe loader in C
    return body
