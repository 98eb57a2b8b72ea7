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
PAUSED = "m2s.io/paused"
PINNED = "m2s.io/pinned"
HISTORY = "m2s.io/history"
REVISIONS = "m2s.io/revisions"

RECORD = frozenset({HISTORY, REVISIONS})
"""What m2s notes for later, beside what it wants: it is written along, and never compared."""


def is_set(mark: str) -> bool:
    """Whether a mark that a person puts on something counts as put: "false" and "" take it back."""
    return mark.strip().lower() not in ("", "false")
