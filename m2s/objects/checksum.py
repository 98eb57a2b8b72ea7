"""The digest of what m2s wrote, kept on the object itself."""

from __future__ import annotations

from typing import Any

from m2s.base.labels import CHECKSUM
from m2s.objects.body import Body, digest


def sealed(body: Body) -> dict[str, Any]:
    """Return ``body`` with its own digest among the annotations, in place of one that is there.

    It tells "the description changed" from "the object drifted" without keeping the old text.
    """
    metadata = body["metadata"]
    annotations = {k: v for k, v in metadata["annotations"].items() if k != CHECKSUM}
    bare = {**body, "metadata": {**metadata, "annotations": annotations}}
    checksum = {CHECKSUM: digest(bare)}
    return {**body, "metadata": {**metadata, "annotations": {**annotations, **checksum}}}
