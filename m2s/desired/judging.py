"""Pure: what of a deployment is a description's own, and against the platform team's policy.

A description is a ``deploy.yaml`` and the tags. What templates, ``defaults`` and m2s itself put
into a deployment is the platform team's word already.
"""

from __future__ import annotations

from dataclasses import replace

from m2s.domain.manifests import Manifest
from m2s.domain.policy import Policy
from m2s.objects.body import Body
from m2s.objects.layers import named_path
from m2s.objects.origins import Sources
from m2s.platforms import catalogue
from m2s.platforms.common.pod_security import Finding, told, violations


def judged(manifest: Manifest, policy: Policy) -> Manifest:
    """Return ``manifest`` with the violations that are its description's."""
    body = manifest.body
    found = list(violations(catalogue.of(manifest.key).pod_specs(body), policy))
    if not found:
        return manifest
    given = _Given(body, manifest.sources())
    own = (told(body, each) for each in found if given.by_description(each))
    return replace(manifest, violations=tuple(dict.fromkeys(own)))


class _Given:
    """Which places of a body a description has a word about."""

    def __init__(self, body: Body, sources: Sources) -> None:
        self._body = body
        self._places = [path for path, source in sources.items() if source.described]

    def by_description(self, finding: Finding) -> bool:
        """Whether a description brought what is forbidden, or took out what is missing.

        A container is brought by the lowest layer that names it, which alone has its name.
        """
        if not finding.missing:
            return self._has(*finding.path)
        own = (*finding.path, "securityContext"), (*finding.pod, "securityContext")
        return self._has(*finding.path, "name") or any(self._has(*path) for path in own)

    def _has(self, *path: str | int) -> bool:
        place = named_path(self._body, path)
        return any(given[: len(place)] == place for given in self._places)
