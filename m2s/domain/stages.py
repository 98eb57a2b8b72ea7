"""The stages of MLflow's registry."""

from __future__ import annotations

import difflib

STAGES = ("None", "Staging", "Production", "Archived")
"""MLflow's own, the only ones there are (mlflow.entities.model_registry.model_version_stages)."""


def canonical_stage(name: str) -> str:
    """Return MLflow's spelling of a stage; a ValueError lists those that exist."""
    for stage in STAGES:
        if stage.lower() == name.lower():
            return stage
    near = difflib.get_close_matches(name.capitalize(), STAGES, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"there is no stage {name!r}: MLflow has {', '.join(STAGES)}{hint}")
