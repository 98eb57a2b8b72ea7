"""Several versions in one InferenceService: a stable predictor and its canaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from m2s.base.names import dns_label
from m2s.objects.layers import named_path
from m2s.objects.origins import Source, Sources
from m2s.platforms.kserve.description import KNATIVE, mode
from m2s.platforms.platform import Part, Split
from m2s.platforms.problem import Problem

_NOT_KEPT = ("name", "minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "autoScaling")
"""What KServe forbids in a canary, or wants smaller than the stable predictor's."""


def combined(parts: Sequence[Part]) -> Split:
    """Return the main part's deployment with a canary for each other one, named by its alias.

    The canary is the stable predictor of that version's own deployment, and not scaled.

    Raises:
        Problem: a part is a shadow, or the mode has no such canaries.
    """
    main, *beside = parts
    if shadow := next((part for part in beside if part.traffic is None), None):
        raise Problem(f"--split: {shadow.alias} is a shadow, and KServe has none; give it a share")
    body = main.manifest.body
    if mode(body) in KNATIVE:
        raise Problem(
            f"--split: in {mode(body)} mode KServe shares traffic with the version before, "
            "whatever that was; describe the deployment in Standard mode"
        )
    canary = [_canary(part) for part in beside]
    spec = {**body["spec"], **({"canary": canary} if canary else {})}
    return Split({**body, "spec": spec}, lambda: _sources(parts, spec), _notes(beside))


def _canary(part: Part) -> dict[str, Any]:
    own = part.manifest.body["spec"]["predictor"]
    kept = {key: value for key, value in own.items() if key not in _NOT_KEPT}
    return {
        "trafficPercent": part.traffic,
        "predictor": {"name": dns_label(part.alias), **kept},
    }


def _notes(beside: Sequence[Part]) -> tuple[str, ...]:
    other = [
        f"{part.manifest.models[0]}: its {name} is not taken"
        for part in beside
        for name in ("transformer", "explainer")
        if part.manifest.body["spec"].get(name)
    ]
    return tuple(other)


def _sources(parts: Sequence[Part], spec: Any) -> Sources:
    """Return where the fields come from: a canary's from its own version's deployment."""
    found = dict(parts[0].manifest.sources())
    for index, part in enumerate(parts[1:]):
        place = ("spec", *named_path(spec, ("canary", index)))
        for path, source in part.manifest.sources().items():
            if path[:2] == ("spec", "predictor"):
                found[(*place, *path[1:])] = source
        for tail in (("trafficPercent",), ("predictor", "name")):
            found[(*place, *tail)] = Source("--split")
    return found
