"""What tells objects apart: digests, and names that Kubernetes takes."""

import difflib
import hashlib
import re
from collections.abc import Iterable

SUBDOMAIN = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
"""A DNS-1123 subdomain, as which Kubernetes takes the name of an object."""


MODEL_URI = "MODEL_URI"
"""The environment variable that says where a model lies, to a server or to what brings it there."""


def dns_label(text: str, *, limit: int = 63) -> str:
    """Return ``text`` as a DNS-1123 label of at most ``limit`` characters.

    A text that is one already comes back as it is. Otherwise an 8-digit hash of the original is
    appended, so that two texts that differ only in what was lost keep different names. The limit
    is that of a label value: Seldon Core writes the deployment's name into its pods' labels.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", text) and len(text) <= limit:
        return text
    tail = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    head = slug[: limit - len(tail) - 1].strip("-")
    return f"{head}-{tail}" if head else f"m-{tail}"


def near(name: str, there: Iterable[str]) -> str:
    """Return the names that ``name`` may have been meant to be, or a few that there are."""
    names = list(there)
    return ", ".join(difflib.get_close_matches(name, names, n=3) or sorted(names)[:5])


def meant(name: str, there: Iterable[str], cutoff: float = 0.6) -> str:
    """Return "did you mean …?" if a name in ``there`` is similar to ``name``, else the list."""
    names = list(there)
    like = difflib.get_close_matches(name, names, n=1, cutoff=cutoff)
    if like:
        return f"did you mean {like[0]}?"
    return f"there {'is' if len(names) == 1 else 'are'} {', '.join(names) or 'none'}"


def label_value(text: str) -> str:
    """Return ``text`` as a label value: itself where it is one, else as :func:`dns_label`."""
    if re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", text) and len(text) <= 63:
        return text
    return dns_label(text)
