"""Several predictors in one SeldonDeployment, each one version's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from m2s.base.names import dns_label
from m2s.objects.diff import Name
from m2s.objects.origins import Source, Sources
from m2s.platforms.platform import Part, Split


def combined(parts: Sequence[Part]) -> Split:
    """Return the main part's deployment with a predictor for each part, named after its alias.

    Each predictor is the first one of that version's own deployment; everything else is the main
    one's.
    """
    main = parts[0].manifest
    spec = {**main.body["spec"], "predictors": list(map(_predictor, parts))}
    return Split({**main.body, "spec": spec}, lambda: _sources(parts), tuple(_left_out(parts)))


def _predictor(part: Part) -> dict[str, Any]:
    first = part.manifest.body["spec"]["predictors"][0]
    kept = {key: value for key, value in first.items() if key not in ("traffic", "shadow")}
    share = {"shadow": True} if part.traffic is None else {"traffic": part.traffic}
    return {**kept, "name": dns_label(part.alias), **share}


def _left_out(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        more = len(part.manifest.body["spec"]["predictors"]) - 1
        if more:
            yield f"{part.manifest.models[0]}: only the first of its {more + 1} predictors is taken"


def _sources(parts: Sequence[Part]) -> Sources:
    """Return where the fields come from: a predictor's from its own version's deployment."""
    main = parts[0].manifest.sources()
    found = {p: s for p, s in main.items() if p[:2] != ("spec", "predictors")}
    for part in parts:
        place = ("spec", "predictors", Name(dns_label(part.alias)))
        first = part.manifest.body["spec"]["predictors"][0].get("name")
        for path, source in part.manifest.sources().items():
            if path[:2] == ("spec", "predictors") and path[2:3] in ((first,), (0,)):
                found[(*place, *path[3:])] = source
        share = "shadow" if part.traffic is None else "traffic"
        found |= {(*place, step): Source("--split") for step in ("name", share)}
    return found
