"""Pure: what becomes of a manifest whose description violates the policy (law 13)."""

from __future__ import annotations

from dataclasses import replace

from m2s.base.labels import CHECKSUM
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest
from m2s.domain.policy import Policy
from m2s.plan.changes import Blocked, blocked
from m2s.platforms import catalogue
from m2s.platforms.common.pod_security import told, violations

MOST = 8
"""How many violations of one deployment are told."""


def enforced(manifest: Manifest, live: LiveDeployment | None, policy: Policy) -> Manifest | Blocked:
    """Return ``manifest``, with warnings of what may stay for now, or that it is blocked.

    What serves already with the same violations may stay until its description changes.
    """
    if not manifest.violations:
        return manifest
    if policy.mode == "warn" or (live and _serves(live, manifest, policy)):
        return replace(manifest, warnings=(*manifest.warnings, f"against {_told(manifest)}"))
    return replace(blocked(manifest, f"against {_told(manifest)}", live), manifest=manifest)


def _told(manifest: Manifest) -> str:
    found = manifest.violations
    more = f"; and {len(found) - MOST} more" if len(found) > MOST else ""
    return f"the policy: {'; '.join(found[:MOST])}{more}"


def _serves(live: LiveDeployment, manifest: Manifest, policy: Policy) -> bool:
    wanted = manifest.body["metadata"]["annotations"][CHECKSUM]
    if live.owner is None or live.annotations.get(CHECKSUM) != wanted:
        return False
    parts = catalogue.of(live.key).pod_specs(live.body)
    there = {told(live.body, each) for each in violations(parts, policy)}
    return there.issuperset(manifest.violations)
