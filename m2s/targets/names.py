"""Which texts may become part of a URL's or a file's path."""

from __future__ import annotations

import re

from m2s.base.errors import Rejected, UsageError
from m2s.base.names import SUBDOMAIN

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def namespace_name(text: str) -> str:
    """Return ``text`` when it is a namespace's name: a DNS-1123 label, as Kubernetes has it.

    Raises :class:`~m2s.base.errors.UsageError` otherwise, so that ``../x`` never becomes a path.
    """
    if _LABEL.fullmatch(text):
        return text
    raise UsageError(
        f"namespace {text!r}: a name is 1 to 63 lower-case letters, digits and hyphens; "
        "correct --namespace or the kubeconfig context's namespace"
    )


def object_name(text: str) -> str:
    """Return ``text`` when it is an object's name: a DNS-1123 subdomain, as Kubernetes has it.

    Raises :class:`~m2s.base.errors.Rejected` otherwise: an API server takes ``x/status``, however
    its slash is encoded, for a part of ``x``.
    """
    if SUBDOMAIN.fullmatch(text):
        return text
    raise Rejected(
        f"metadata.name: {text!r} is no Kubernetes name (lower-case letters, digits, '-' and '.', "
        "at most 253): correct it in deploy.yaml"
    )
