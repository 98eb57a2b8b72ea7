"""Pure: where an InferenceService answers.

In Standard mode the predictor's Service has port 80 (kserve, ``service_reconciler.go``,
``createDefaultSvc``), and MLServer's runtime has the model under the InferenceService's name
(``{{.Name}}`` in the kserve-mlserver ClusterServingRuntime). Measured with KServe 0.20.
"""

from __future__ import annotations

from m2s.domain.asking import Asking
from m2s.objects.body import Body
from m2s.platforms.common import asking
from m2s.platforms.common.pods import mappings, text
from m2s.platforms.kserve.description import KNATIVE, mode
from m2s.platforms.problem import Problem

_PORT = 80


def asked(live: Body) -> Asking:
    """Return where the predictor answers; Problem: m2s cannot ask it, in words."""
    if (text(live, "status.deploymentMode") or mode(live)) in KNATIVE:
        raise Problem("m2s cannot ask an InferenceService in Knative mode: it has no Service")
    name = text(live, "metadata.name")
    variant = text(live, "spec.predictor.name")
    service = "-".join(filter(None, (name, variant, "predictor")))
    if containers := mappings(live, "spec.predictor.containers.*"):
        return asking.by_probe(containers[0], service, _PORT)
    model = next(iter(mappings(live, "spec.predictor.model")), {})
    told = text(model, "protocolVersion")
    if told != "v2":
        raise Problem(f"m2s has no example in KServe's protocol {told or 'v1'}, only in v2")
    return Asking(service=service, port=_PORT, protocol="v2", model=name)
