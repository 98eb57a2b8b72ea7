"""The kind of Kubernetes object that a deployment is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object, as the API server names it.

    Attributes:
        group: its API group, without a version.
        version: the one that m2s writes.
        kind: the name in ``kind:``.
        plural: the name in URLs and in Roles.
        product: what is installed for it, in words; "" for what every cluster has.
        also: other versions of the group that a description may name.
        short: what kubectl calls it for short.
    """

    group: str
    version: str
    kind: str
    plural: str
    product: str = ""
    also: tuple[str, ...] = ()
    short: str = ""

    @property
    def api_version(self) -> str:
        """``GROUP/VERSION``, ``VERSION`` alone in the core group."""
        return f"{self.group}/{self.version}".lstrip("/")

    @property
    def right(self) -> str:
        """``PLURAL.GROUP``, as a Role and ``kubectl auth can-i`` have it."""
        return f"{self.plural}.{self.group}".rstrip(".")

    def is_of(self, api_version: object) -> bool:
        """Whether an ``apiVersion`` is one that m2s reads for this kind."""
        return api_version in [f"{self.group}/{each}" for each in (self.version, *self.also)]


CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps")
SERVICES = Resource("", "v1", "Service", "services")
COMPANIONS = (CONFIG_MAPS, SERVICES)
"""The kinds that a deployment may have beside its primary object."""
