"""Pure: the containers of a Deployment's Pods, and what a description leaves to m2s.

The first container is the server. It gets the requests, and what tags say of resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.objects.body import Body
from m2s.objects.layers import Layer, Merged, merge
from m2s.objects.list_keys import KEYS, told_apart
from m2s.platforms.common.pods import at, mappings, text
from m2s.platforms.problem import Problem

POD = "spec.template.spec"
PORT = 8080
"""Where a server listens that does not say it."""


def first(body: Body) -> Mapping[str, Any]:
    """Return the server's container.

    Raises:
        Problem: there is none, or its name does not tell it from others.
    """
    containers = at(body, f"{POD}.containers")
    if not containers or not told_apart("containers", containers, KEYS):
        raise Problem(f"{POD}.containers: it needs one at least, each with a name of its own")
    found: Mapping[str, Any] = containers[0]
    return found


def port(server: Mapping[str, Any]) -> tuple[int, str | int]:
    """Return the number of a container's port, and what a Service calls it.

    The one named ``http``, else the first.
    """
    given = mappings(server, "ports.*")
    chosen = next((one for one in given if one.get("name") == "http"), given[0] if given else {})
    number = chosen.get("containerPort")
    number = number if isinstance(number, int) else PORT
    return number, text(chosen, "name") or number


def saying(name: str, **fields: Any) -> dict[str, Any]:
    """Return a part of a Deployment that says ``fields`` of the container ``name``."""
    return {"spec": {"template": {"spec": {"containers": [{"name": name, **fields}]}}}}


def completed(layers: list[Layer]) -> tuple[list[Layer], Merged]:
    """Return the layers with a port and a readiness probe, where none says one.

    Without a probe a Pod counts as ready before it listens.

    Raises:
        Problem: as :func:`first`.
    """
    merged = merge(layers)
    server, implied = first(merged.body), dict[str, Any]()
    if not server.get("ports"):
        implied["ports"] = [{"name": "http", "containerPort": PORT}]
    if not server.get("readinessProbe"):
        _, name = port({**server, **implied})
        implied["readinessProbe"] = {"tcpSocket": {"port": name}}
    if not implied:
        return layers, merged
    whole = [*layers, Layer("m2s's own port", saying(str(server["name"]), **implied))]
    return whole, merge(whole)
