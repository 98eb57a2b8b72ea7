"""Seldon Core's rules for several predictors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def fault(spec: Mapping[str, Any]) -> str:
    """Return which rule of Seldon Core's the predictors break, "" where they break none.

    The rules are those of its webhook (seldon-core, operator/apis, ``checkTraffic`` and
    ``ValidateSeldonDeployment``), which a cluster may lack and a folder has not. What has the
    wrong type is the API server's to judge.
    """
    predictors = [item for item in spec.get("predictors") or [] if isinstance(item, Mapping)]
    names = [item["name"] for item in predictors if isinstance(item.get("name"), str)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        return f"two predictors are named {twice!r}; rename one"
    live = [item for item in predictors if item.get("shadow") is not True]
    if len(predictors) - len(live) > 1:
        return "more than one predictor is a shadow; Seldon Core allows one"
    if predictors and not live:
        return "the shadow is the only predictor; Seldon Core wants one beside it"
    return _fault_in_sum(live, alone=len(predictors) == 1)


def _fault_in_sum(live: Sequence[Mapping[str, Any]], *, alone: bool) -> str:
    shares = [item.get("traffic") or 0 for item in live]
    if not all(isinstance(share, int) for share in shares):
        return ""
    total = sum(shares)
    if total == 100 or (len(live) == 1 and not (alone and 0 < total < 100)):
        return ""
    listed = ", ".join(
        f"{item.get('name')} {share}" for item, share in zip(live, shares, strict=True)
    )
    return f"the predictors' traffic sums to {total} ({listed}); it must sum to 100"
