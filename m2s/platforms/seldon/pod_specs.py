"""Pure: the Pods' specs in a SeldonDeployment, and what else it names for its Pods."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import getitem

from m2s.objects.body import Body
from m2s.platforms.common.pods import Named, PodSpec, found, named
from m2s.platforms.seldon.units import units

_OF_UNITS = {
    "envSecretRefName": "secrets",
    "serviceAccountName": "serviceAccounts",
    "storageInitializerImage": "images",
}
_BESIDE = {
    "kind": "kinds",
    "metadata.annotations.?": "annotations",
    "spec.annotations.?": "annotations",
    "spec.predictors.*.annotations.?": "annotations",
    "spec.predictors.*.componentSpecs.*.metadata.annotations.?": "annotations",
    "spec.predictors.*.svcOrchSpec.env.*.valueFrom.secretKeyRef.name": "secrets",
    "spec.predictors.*.ssl.certSecretName": "secrets",
}


def pod_specs(body: Body) -> Iterator[PodSpec | Named]:
    """Yield each Pod's spec, and what is named beside it; what has a wrong type is passed over."""
    yield from named(body, (), _BESIDE)
    for path, spec in found(body, "spec.predictors.*.componentSpecs.*.spec"):
        if isinstance(spec, dict):
            yield PodSpec(path, spec)
    for path, explainer in found(body, "spec.predictors.*.explainer"):
        if isinstance(explainer, dict):
            container = {"containerSpec": explainer.get("containerSpec")}
            yield PodSpec(path, container, singles=("containerSpec",))
    for unit in units(body) if "spec" in body else ():
        yield from named(reduce(getitem, unit.path, body), unit.path, _OF_UNITS)  # type: ignore[arg-type]
