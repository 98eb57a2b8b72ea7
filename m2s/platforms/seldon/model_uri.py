"""Where a SeldonDeployment names its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PATH = ("spec", "predictors", 0, "graph", "modelUri")


def with_uri(spec: Mapping[str, Any], uri: str) -> dict[str, Any]:
    """Overwrite the first predictor's root ``modelUri``, as the first seed does."""
    first, *others = spec["predictors"]
    graph = {**first["graph"], "modelUri": uri}
    return {**spec, "predictors": [{**first, "graph": graph}, *others]}
