"""Pure: which models MLServer's own images cannot load, as their MLmodel files tell.

They are built on Python 3.10, with the MLflow of MLServer's poetry.lock: 2.11 in 1.5.0, 2.16 in
1.6.1, 2.20 in 1.7.1, the last one. Measured with what 1.7.1 installs: MLflow's newer formats are
not known there, and a class that another Python pickled is not loaded. A whole environment beside
the model (``environment.tar.gz``) is used instead.
"""

from __future__ import annotations

import re

from m2s.domain.versions import MlModel

IMAGE = re.compile(r"(?:.*/)?mlserver(?::(?P<tag>[\w.-]+))?(?:@.*)?")
"""A reference of one of the images, a mirror's too."""

_PYTHON = "3.10"
_NEWER = {"skops": "3.14", "pt2": "3.14"}
"""Formats that a model is saved in by default, and since which MLflow."""
_INSTEAD = {"skops": ": log it with serialization_format='cloudpickle'"}


def misfit(model: MlModel) -> str | None:
    """Return why none of MLServer's images loads ``model``, None where one may."""
    if model.packed:
        return None
    if newer := next((name for name in model.formats if name in _NEWER), None):
        return (
            f"saved as {newer}, MLflow's default since {_NEWER[newer]}, which the MLflow 2 in "
            f"MLServer's images cannot load{_INSTEAD.get(newer, '')}"
        )
    made = re.match(r"(\d+\.\d+)", model.python_version)
    if model.pickled and made and made[1] != _PYTHON:
        return (
            f"its class was pickled by Python {made[1]}, and MLServer's images have {_PYTHON}: log "
            f"it from Python {_PYTHON}, or as code"
        )
    return None
