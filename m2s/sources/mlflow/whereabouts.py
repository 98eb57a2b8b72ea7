"""What became of a served version, in a data scientist's words."""

from __future__ import annotations

from collections.abc import Mapping

from m2s.domain.versions import ModelVersion, Whereabouts
from m2s.sources.mlflow.client import RegisteredModel


def by_stage(
    stage: str, model: RegisteredModel, version: int | None, found: ModelVersion | None
) -> Whereabouts:
    """Say whether ``model`` has a version in ``stage``, and where ``version`` is now.

    Args:
        stage: in MLflow's spelling.
        model: the registered model as it is now.
        version: the one that is served, None if that is not known.
        found: what the registry has of it, None if nothing.
    """
    latest = {entry.current_stage: int(entry.version) for entry in model.latest_versions}
    in_stage = f"v{latest[stage]} is in {stage}" if stage in latest else f"nothing is in {stage}"
    if version is None:
        return Whereabouts(stage in latest, in_stage)
    if found is None:
        return Whereabouts(stage in latest, f"v{version} was deleted")
    now = "in no stage" if found.stage in ("", "None") else f"in {found.stage}"
    reason = f"v{version} is {now} now" if found.stage != stage else in_stage
    return Whereabouts(stage in latest or found.stage == stage, reason)


def by_alias(
    alias: str, aliases: Mapping[str, str], version: int | None, found: ModelVersion | None
) -> Whereabouts:
    """Say what ``alias`` points at now; the arguments are those of :func:`by_stage`."""
    target = aliases.get(alias)
    if target is not None:
        return Whereabouts(True, f"alias {alias} now points at v{int(target)}")
    if version is not None and found is None:
        return Whereabouts(False, f"v{version} was deleted")
    return Whereabouts(False, f"alias {alias} points at nothing now")
