"""The kind of Kubernetes object that a deployment is."""

from __future__ import annotations

GROUP = "machinelearning.seldon.io"


VERSION = "v1"


PLURAL = "seldondeployments"


KIND = "SeldonDeployment"
