"""What a Lease says, and whether it says it (law 11)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

RECORD = {
    "holderIdentity": str,
    "leaseDurationSeconds": int,
    "acquireTime": str,
    "renewTime": str,
    "leaseTransitions": int,
}


def is_readable(labels: Any, spec: Any) -> bool:
    """Whether a Lease's labels and spec are as Kubernetes has them."""
    return (
        isinstance(labels, dict)
        and isinstance(spec, dict)
        and all(isinstance(spec.get(name), kind | None) for name, kind in RECORD.items())
    )


def micro_time() -> str:
    """Return now as a Kubernetes MicroTime, for people to read."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
