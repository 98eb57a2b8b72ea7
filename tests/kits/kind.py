"""The default platform's kind, in the API server's words."""

from __future__ import annotations

from m2s.platforms import catalogue

RESOURCE = catalogue.resources()[0]
GROUP, VERSION, PLURAL, KIND = (
    RESOURCE.group,
    RESOURCE.version,
    RESOURCE.plural,
    RESOURCE.kind,
)
