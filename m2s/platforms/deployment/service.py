"""Pure: a Deployment and its Service are one body, in which ``service`` is about the latter.

They find each other by a label on the Pods that names the deployment, and no version: a
Deployment's selector cannot change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from m2s.base.labels import MANAGED_BY, MARKS, OWNER
from m2s.domain.asking import Asking
from m2s.domain.resource import SERVICES
from m2s.objects.body import Body
from m2s.platforms.common import asking
from m2s.platforms.common.bundles import companion
from m2s.platforms.common.pods import at, mappings, text
from m2s.platforms.deployment.containers import first, port
from m2s.platforms.deployment.description import SERVICE
from m2s.platforms.problem import Problem

_LABEL = f"{MARKS}deployment"
_GIVEN_OUT = frozenset({"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"})
"""What an API server gives each Service, and another one each dry run."""


def wired(body: Body) -> dict[str, Any]:
    """Return a Deployment that selects its Pods, with the Service that does as well."""
    labels = {_LABEL: body["metadata"]["name"]}
    spec, template = body["spec"], body["spec"]["template"]
    metadata = template.get("metadata") or {}
    labelled = {**metadata, "labels": {**(metadata.get("labels") or {}), **labels}}
    made = {
        "selector": {"matchLabels": labels},
        **spec,
        "template": {**template, "metadata": labelled},
    }
    return {**body, "spec": made, SERVICE: _service(body, labels)}


def _service(body: Body, labels: Mapping[str, str]) -> dict[str, Any]:
    number, name = port(first(body))
    given = body.get(SERVICE) or {}
    ports = [{"name": "http", "port": number, "targetPort": name, "protocol": "TCP"}]
    spec = {"selector": labels, "ports": ports, **(given.get("spec") or {})}
    kept = {field: value for field, value in (given.get("metadata") or {}).items() if value}
    kept = {field: kept[field] for field in ("annotations", "labels") if field in kept}
    return {**({"metadata": kept} if kept else {}), "spec": spec}


def stored(body: Body) -> tuple[Body, ...]:
    """Return the Deployment and the Service."""
    primary = {part: value for part, value in body.items() if part != SERVICE}
    given = body.get(SERVICE)
    if not given:
        return (primary,)
    name, metadata = body["metadata"]["name"], given.get("metadata") or {}
    return primary, companion(body, SERVICES, name, {"spec": given["spec"]}, **metadata)


def seen(primary: Body, companions: Sequence[Body]) -> Body:
    """Return the one body of both, without what the API server gives out."""
    name = primary["metadata"]["name"]
    found = next((each for each in companions if each["metadata"]["name"] == name), None)
    if found is None:
        return primary
    metadata = found["metadata"]
    labels = {
        k: v for k, v in (metadata.get("labels") or {}).items() if k not in (MANAGED_BY, OWNER)
    }
    annotations = metadata.get("annotations")
    kept = {k: v for k, v in (("annotations", annotations), ("labels", labels)) if v}
    there = "uid" in metadata  # it comes from an API server
    spec = {k: v for k, v in found["spec"].items() if not (there and _is_given_out(k, v))}
    return {**primary, SERVICE: {**({"metadata": kept} if kept else {}), "spec": spec}}


def _is_given_out(field: str, value: Any) -> bool:
    return field in _GIVEN_OUT and value not in ("None", ["None"])


def asked(body: Body) -> Asking:
    """Return where the server answers; Problem: no Service is there, or its protocol is unknown."""
    number = _port(body)
    if number is None:
        raise Problem("its Service is not there: m2s apply writes it")
    return asking.by_probe(first(body), text(body, "metadata.name"), number)


def endpoint(body: Body) -> str:
    """Return the URL for use inside the cluster, "" where no Service is there.

    A server that is asked at ``/ping`` is taken for one that answers at ``/invocations``, as
    MLflow's and SageMaker's do.
    """
    name, namespace = text(body, "metadata.name"), text(body, "metadata.namespace")
    number = _port(body)
    if not (name and namespace and number is not None):
        return ""
    probed = at(first(body), "readinessProbe.httpGet.path")
    return f"http://{name}.{namespace}.svc:{number}{'/invocations' if probed == '/ping' else ''}"


def _port(body: Body) -> int | None:
    number = next((one.get("port") for one in mappings(body, f"{SERVICE}.spec.ports.*")), None)
    return number if isinstance(number, int) else None
