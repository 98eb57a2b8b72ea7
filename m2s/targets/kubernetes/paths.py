"""Where an API server has the objects of a kind."""

from m2s.domain.resource import Resource
from m2s.targets.names import namespace_name, object_name


def of(resource: Resource, namespace: str, name: str = "") -> str:
    """Return the path of a kind in a namespace, or of one object.

    Raises:
        UsageError, Rejected: a name would lead elsewhere.
    """
    tail = f"/{object_name(name)}" if name else ""
    place = f"namespaces/{namespace_name(namespace)}/{resource.plural}{tail}"
    return f"/{'apis' if resource.group else 'api'}/{resource.api_version}/{place}"
