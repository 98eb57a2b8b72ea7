"""Pure: what of a deployment is a description's own, and against the platform team's policy.

A description is a ``deploy.yaml`` and the tags. What templates, ``defaults`` and m2s itself put
into a deployment is the platform team's word already.
"""

from __future__ import annotations

from dataclasses import replace

from m2s.domain.manifests import Manifest
from m2s.domain.policy import Policy
from m2s.objects.layers import named_path
from m2s.platforms import catalogue
from m2s.platforms.common.pod_security import Finding, told, violations


def judged(manifest: Manifest, policy: Policy) -> Manifest:
    """Return ``manifest`` with the violations that are its description's."""
    body = manifest.body
    found = list(violations(catalogue.of(manifest.key).pod_specs(body), policy))
    if not found:
        return manifest
    given = [path for path, source in manifest.sources().items() if source.described]

    def has(*path: str | int) -> bool:
        place = named_path(body, path)
        return any(each[: len(place)] == place for each in given)

    def brought(finding: Finding) -> bool:
        """Whether a description brought what is forbidden, or took out what is missing."""
        if not finding.missing:
            return has(*finding.path)
        # Of all layers that say something of a container, the lowest alone has its name.
        secured = (has(*path, "securityContext") for path in (finding.path, finding.pod))
        return has(*finding.path, "name") or any(secured)

    own = dict.fromkeys(told(body, each) for each in found if brought(each))
    return replace(manifest, violations=tuple(own))
