"""What m2s writes under: the kind of object, its field manager, its labels and annotations."""

FIELD_MANAGER = "m2s"
ORDERS_MANAGER = "m2s-orders"
"""Who writes what people order, and what became of it: these stay when m2s applies."""

MANAGED_BY = "app.kubernetes.io/managed-by"
MARKS = "m2s.io/"
"""How m2s's own labels and annotations begin."""
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
RETIRE = "m2s.io/retire"
HISTORY = "m2s.io/history"
REVISIONS = "m2s.io/revisions"
REGISTRY = "m2s.io/registry"
ROLLOUT = "m2s.io/rollout"
ORDERS = "m2s.io/orders"
VERIFIED = "m2s.io/verified"
FAILED = "m2s.io/failed"

LIVE = "m2s.io/live/"
"""How the tags begin by which m2s tells MLflow what is live; m2s itself never goes by them."""

RECORD = frozenset({HISTORY, REVISIONS, REGISTRY, ROLLOUT, ORDERS, VERIFIED, FAILED})
"""What m2s notes for later, beside what it wants: it is written along, and never compared."""


def is_set(mark: str | None) -> bool:
    """Whether a mark is put on something; any value but "false" does that, the empty one too."""
    return mark is not None and mark.strip().lower() != "false"
