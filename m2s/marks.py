"""What m2s writes under: the kind of object, its field manager, its labels and annotations."""

from __future__ import annotations

GROUP = "machinelearning.seldon.io"
VERSION = "v1"
PLURAL = "seldondeployments"
KIND = "SeldonDeployment"
FIELD_MANAGER = "m2s"

MANAGED_BY = "app.kubernetes.io/managed-by"
OWNER = "m2s.io/owner"
MODEL = "m2s.io/model"
MODEL_VERSION = "m2s.io/version"
RUN_ID = "m2s.io/run-id"
SELECTOR = "m2s.io/selector"
CHECKSUM = "m2s.io/checksum"
MODELS = "m2s.io/models"
TEMPLATE = "m2s.io/template"
KEEP = "m2s.io/keep"
