"""Pure: the Deployments that the Seldon operator makes of a SeldonDeployment, and which is which.

Read in Seldon Core 1.18's ``operator/controllers`` (``seldondeployment_controller.go``,
``seldondeployment_engine.go``, ``seldondeployment_explainers.go``) and, for the names and what is
filled in, ``operator/apis/machinelearning.seldon.io/v1``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from m2s.objects.body import Body
from m2s.platforms.common.pods import mappings, text
from m2s.platforms.seldon.units import is_prepackaged, nodes

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
SERVICE = "seldon.io/svc-name"


@dataclass(frozen=True, slots=True)
class Made:
    """One Deployment that the operator makes of a predictor.

    ``name`` is what it is called, ``also`` what it is called under the operator's variable
    ``DEPLOYMENT_NAME_AS_PREFIX``. A component has its index and its containers' names. ``replicas``
    is None where the operator leaves them as they are.
    """

    role: Literal["component", "engine", "explainer"]
    predictor: Body
    name: str
    replicas: int | None
    index: int = 0
    containers: tuple[str, ...] = ()
    also: str = ""


def label_values(live: Body) -> tuple[str, ...]:
    """Return the values of ``seldon-deployment-id`` that the operator labels Deployments with.

    The object's name; of an orchestrator in a pod of its own the name of its predictor's service.
    """
    name = live["metadata"]["name"]
    found = [shortened(name)]
    for predictor in predictors(live):
        found.append(shortened(f"{name}-{predictor.get('name')}"))
        found.append(str((predictor.get("annotations") or {}).get(SERVICE) or ""))
    return tuple(dict.fromkeys(value for value in found if _LABEL.fullmatch(value)))


def expected(live: Body) -> tuple[Made, ...]:
    """Return every Deployment that the operator makes of ``live``."""
    return tuple(made for predictor in predictors(live) for made in _of_predictor(live, predictor))


def belonging(deployment: Body, makes: Sequence[Made]) -> Made | None:
    """Return which of ``makes`` a Deployment is; None where it is of an older description.

    By its name; the operator's own marks tell those that are called otherwise.
    """
    name = deployment["metadata"]["name"]
    marks = {value for variable, value in _env(deployment) if variable == "PREDICTOR_ID"}
    for made in makes:
        if name in (made.name, made.also) and (not marks or made.predictor.get("name") in marks):
            return made
    inside = {str(container.get("name")) for container in containers(deployment)}
    for made in makes:
        marked = made.role == "component" and made.predictor.get("name") in marks
        if marked and inside.issuperset(made.containers):
            return made
    engine = None if marks else (engine_predictor(deployment) or {}).get("name")
    return next((m for m in makes if m.role == "engine" and m.predictor["name"] == engine), None)


def _of_predictor(live: Body, predictor: Body) -> Iterator[Made]:
    name, spec = live["metadata"]["name"], live["spec"]
    prefix = f"{name}-{predictor.get('name')}"
    general = predictor.get("replicas", spec.get("replicas"))
    if _is_true(spec, "seldon.io/engine-separate-pod") and not is_without_engine(predictor):
        replicas = (predictor.get("svcOrchSpec") or {}).get("replicas", general)
        yield Made("engine", predictor, shortened(f"{prefix}-svc-orch"), replicas)
    for index, inside in enumerate(_containers_of(predictor)):
        if inside:
            component = components(predictor)[index]
            own = text(component, "metadata.name") or "-".join(inside)
            whole = f"{prefix}-{index}-{own}"
            scaled = component.get("hpaSpec") or component.get("kedaSpec")
            replicas = None if scaled else component.get("replicas", general)
            also = f"{name}-{_md5(whole)}" if len(whole) > 63 else ""
            yield Made("component", predictor, shortened(whole), replicas, index, inside, also)
    if (explainer := predictor.get("explainer") or {}).get("type"):
        # without replicas of its own it keeps those it has; a new Deployment gets 1
        replicas = 0 if general == 0 else explainer.get("replicas")
        yield Made("explainer", predictor, shortened(f"{prefix}-explainer"), replicas)


def _containers_of(predictor: Body) -> list[tuple[str, ...]]:
    """Return each component's containers; servers without one come into the first's pod."""
    stated = [
        tuple(str(one.get("name")) for one in mappings(component, "spec.containers.*"))
        for component in components(predictor)
    ]
    there = {name for names in stated for name in names}
    servers = [str(node["name"]) for node in nodes(predictor) if is_server(node)]
    missing = tuple(name for name in dict.fromkeys(servers) if name not in there)
    return [stated[0] + missing, *stated[1:]]


def predictors(live: Body) -> Sequence[Body]:
    """Return the predictors; a single empty one where there is none."""
    return (live.get("spec") or {}).get("predictors") or [{}]


def components(predictor: Body) -> Sequence[Body]:
    """Return the componentSpecs; the operator makes one where there is none."""
    return predictor.get("componentSpecs") or [{}]


def is_without_engine(predictor: Body) -> bool:
    """Whether a predictor has no orchestrator at all."""
    return _is_true(predictor, "seldon.io/no-engine")


def _is_true(node: Body, annotation: str) -> bool:
    return str((node.get("annotations") or {}).get(annotation)).lower() == "true"


def is_server(node: Body) -> bool:
    """Whether a prepackaged server loads a node's model."""
    return is_prepackaged(node.get("implementation"))


def containers(deployment: Body) -> Sequence[Body]:
    """Return the containers of a Deployment's pods; what is no Deployment raises (law 11)."""
    return (deployment["spec"]["template"].get("spec") or {}).get("containers") or ()


def engine_predictor(deployment: Body) -> Mapping[str, Any] | None:
    """Return the predictor that the Deployment's orchestrator was given, if there is one."""
    for name, value in _env(deployment):
        if name == "ENGINE_PREDICTOR":
            try:
                decoded = json.loads(base64.b64decode(value))
            except (ValueError, RecursionError):
                return None
            return decoded if isinstance(decoded, dict) else None
    return None


def _env(deployment: Body) -> Iterator[tuple[str, str]]:
    for container in containers(deployment):
        for variable in container.get("env") or ():
            yield str(variable.get("name")), str(variable.get("value") or "")


def shortened(name: str) -> str:
    """Return a name as the operator shortens it (``seldondeployment_types.go``)."""
    return name if len(name) <= 63 else f"seldon-{_md5(name)}"


def _md5(name: str) -> str:
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
