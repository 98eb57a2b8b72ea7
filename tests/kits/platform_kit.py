"""What the contract test needs of each serving platform: an example of its kind, and its CRD."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError

from m2s.domain.resource import Resource
from m2s.platforms.catalogue import ROWS, Row
from tests.kits.support import description, inference_service
from tests.servers import ApiServer, wait_for

TOY = Row(
    "toy",
    Resource("toy.example.org", "v1", "ToyServer", "toyservers", "the toy"),
    "tests.kits.toy.platform:Toy",
)


@dataclass(frozen=True)
class Example:
    """A description that works, and what is wrong in others, by the path of what is set there."""

    deploy: str
    wrong: tuple[tuple[tuple[str | int, ...], Any], ...]


DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
spec:
  replicas: 2
  template:
    spec:
      containers:
        - name: server
          image: server:1
          env: [{name: MODEL_URI}]
"""

EXAMPLES = {
    "seldon": Example(
        description(),
        (
            (("spec",), None),
            (("spec", "predictors"), []),
            (("spec", "predictors"), "one"),
            (("spec", "predictors", 0, "graph"), []),
            (("metadata", "labels"), {"a": 1}),
        ),
    ),
    "kserve": Example(
        inference_service(),
        (
            (("spec",), None),
            (("spec", "predictor"), {}),
            (("spec", "predictor"), "model"),
            (("spec", "predictors"), {}),
            (("spec", "predictor", "model"), "s3://models/1"),
            (("spec", "predictor", "model", "storageUri"), ["s3://models/1"]),
            (("spec", "predictor", "containers"), {}),
            (("spec", "transformer"), []),
            (("spec", "canary"), {}),
            (("spec", "canary"), ["x"]),
            (("metadata", "annotations"), {"serving.kserve.io/stop": True}),
        ),
    ),
    "deployment": Example(
        DEPLOYMENT,
        (
            (("spec",), None),
            (("spec", "template"), []),
            (("spec", "template", "spec", "containers"), []),
            (("spec", "template", "spec", "containers", 0), "server"),
            (("service",), "none"),
            (("metadata", "labels"), {"a": 1}),
        ),
    ),
    "toy": Example(
        "apiVersion: toy.example.org/v1\nkind: ToyServer\nspec:\n  modelUri:\n  replicas: 2\n",
        ((("spec",), None), (("spec",), []), (("spec", "modelUri"), 7), (("metadata",), "x")),
    ),
}
"""By the name of the platform; one that has none here fails the contract test."""

EVERY = (*ROWS, TOY)


def crd(resource: Resource) -> dict[str, Any]:
    """Return a definition of a kind that any spec fits."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    properties = {"spec": anything, "status": anything}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": resource.right},
        "spec": {
            "group": resource.group,
            "scope": "Namespaced",
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
            },
            "versions": [
                {
                    "name": resource.version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
                }
            ],
        },
    }


def install(server: ApiServer, resource: Resource) -> None:
    """Have an API server serve a kind, where it does not yet."""
    if "." not in resource.group:
        return  # every cluster has it
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    with contextlib.suppress(HTTPError):
        server.call("POST", path, crd(resource))

    def served() -> bool:
        with contextlib.suppress(HTTPError):
            server.call("GET", f"/apis/{resource.api_version}/{resource.plural}?limit=1")
            return True
        return False

    wait_for(served, f"{resource.kind} to be served")
