"""Pure: where a SeldonDeployment answers.

The operator makes a Service for each predictor and tells the first one's URL in
``status.address.url`` (operator, ``seldondeployment_controller.go``, ``createAddressableResource``;
its path is ``utils.GetPredictionPath``).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from m2s.domain.asking import Asking, Protocol
from m2s.objects.body import Body
from m2s.platforms.common.pods import text
from m2s.platforms.problem import Problem
from m2s.platforms.seldon.made import SERVICE, predictors, shortened

_PORT = 8000
"""Of the orchestrator, unless the operator's ENGINE_SERVER_PORT says another one."""
_PROTOCOLS: dict[str, Protocol] = {"": "seldon", "seldon": "seldon", "v2": "v2", "kfserving": "v2"}


def asking(live: Body) -> Asking:
    """Return where the first predictor answers; Problem: it speaks another protocol."""
    spec, (first, *_) = live["spec"], predictors(live)
    told = first.get("protocol") or spec.get("protocol") or ""
    protocol = _PROTOCOLS.get(str(told))
    if protocol is None:
        raise Problem(f"m2s has no example in the protocol {told} of Seldon Core")
    service, port = _address(live, first)
    graph = first.get("graph") or {}
    model = str(graph.get("name") or "") if protocol == "v2" else ""
    frames = graph.get("implementation") != "MLFLOW_SERVER" or _has_frames(graph)
    return Asking(service=service, port=port, protocol=protocol, model=model, frames=frames)


def _address(live: Body, first: Body) -> tuple[str, int]:
    """Return the Service and its port, as the operator tells them or else as it names them."""
    try:
        told = urlsplit(text(live, "status.address.url"))
        if told.hostname:
            return told.hostname.partition(".")[0], told.port or _PORT
    except ValueError:
        pass
    named = (first.get("annotations") or {}).get(SERVICE)
    return str(named or shortened(f"{live['metadata']['name']}-{first.get('name')}")), _PORT


def _has_frames(graph: Any) -> bool:
    """Whether MLFLOW_SERVER makes a DataFrame: any ``xtype`` but ``ndarray``, its default."""
    parameters = [one for one in graph.get("parameters") or () if one.get("name") == "xtype"]
    return any(one.get("value") != "ndarray" for one in parameters)
