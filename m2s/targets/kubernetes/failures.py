"""What a Kubernetes API server's refusal, or its silence, means to a user of m2s.

Only text and numbers come in: this module knows neither the client nor its exceptions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from m2s.base.errors import ClusterError, ClusterUnavailable, Conflict, Rejected
from m2s.base.wording import one_line
from m2s.domain.versions import Key
from m2s.platforms import catalogue

BUSY = frozenset({429, 502, 503, 504})
"""Answers of a server that is overloaded or half gone: worth asking again."""

_BUSY_REASONS = frozenset({"ServerTimeout", "Timeout", "TooManyRequests", "ServiceUnavailable"})
_RBAC = re.compile(r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)"')
_SCHEMA = re.compile(
    r"failed to (?:create|convert) [\w ]{0,60}?object \([^)]{0,600}\)[\w ]{0,60}: (?P<why>.*)", re.S
)
_BEHIND = re.compile(
    r"(?:Internal error occurred: )?(?:(?P<webhook>failed calling webhook |conversion webhook for )"
    r"(?!.*received invalid webhook response)"
    r"|etcdserver: (?!request is too large)|rpc error: code = Unavailable)"
)
"""How a 500 begins that tells of an outage behind the API server, and of no fault of the object:
a webhook that cannot be reached (apiserver, ``webhook/errors``), etcd without a leader."""
_UNKNOWN = re.compile(r'unknown field "((?:[^"\\]++|\\.)*+)"')
_READ = 64 * 1024
"""Characters of a message that are looked at."""
_PREAMBLE = re.compile(r'^(Internal error occurred: |[\w.]+ "[^"]*" is (?:forbidden|invalid): )')


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered: the object asked for, or the ``Status`` that says why not.

    ``wait`` is for how many seconds it asks to be left alone, None where it does not.
    """

    status: int
    body: Mapping[str, Any]
    wait: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the body is what was asked for."""
        return 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """The API machinery's one-word reason, or an empty text."""
        reason = self.body.get("reason")
        return reason if isinstance(reason, str) else ""

    @property
    def message(self) -> str:
        """The server's own words in one line."""
        return one_line(str(self.body.get("message") or f"HTTP {self.status}"))

    @property
    def unknown(self) -> tuple[str, ...]:
        """The fields that the schema does not have, all of them, where strict decoding says so."""
        text = str(self.body.get("message") or "")
        if self.status != 400 or "strict decoding error: " not in text:
            return ()
        return tuple(sorted(set(_UNKNOWN.findall(text[:_READ]))))

    @property
    def misfits(self) -> bool:
        """Whether the schema refuses an apply: some fault of several is named then, any one."""
        return not self.ok and bool(_SCHEMA.search(str(self.body.get("message") or "")[:_READ]))

    @property
    def details(self) -> Mapping[str, Any]:
        """Never None."""
        details = self.body.get("details")
        return details if isinstance(details, Mapping) else {}

    @property
    def causes(self) -> tuple[Mapping[str, Any], ...]:
        """The field by field reasons, if any."""
        causes = self.details.get("causes")
        listed = causes if isinstance(causes, list) else []
        return tuple(cause for cause in listed if isinstance(cause, Mapping))

    def says_absent(self, resource: str, name: str) -> bool:
        """Whether the server says that there is no such object, rather than no such path."""
        is_it = self.details.get("kind") == resource and self.details.get("name") == name
        said = self.body.get("kind") == "Status" and self.reason == "NotFound"
        return self.status == 404 and said and is_it


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of which server; ``key.name`` is empty when it was not about one object."""

    server: str
    verb: str
    key: Key
    resource: str
    writes: bool = False

    def __str__(self) -> str:
        """As a person would say it: ``patch seldondeployments fraud in namespace shop``."""
        name = f" {self.key.name}" if self.key.name else ""
        place = f" in namespace {self.key.namespace}" if self.key.namespace else ""
        return f"{self.verb} {self.resource}{name}{place}"


def refusal(answer: Answer, asked: Asked) -> ClusterError:
    """Return the error that ``answer`` stands for, ready to be raised.

    :class:`~m2s.base.errors.Rejected` and :class:`~m2s.base.errors.Conflict` concern the one object
    that was to be written; anything else is about the cluster as a whole.
    """
    behind = _BEHIND.match(answer.message) if answer.status == 500 else None
    if behind or answer.status in BUSY or answer.reason in _BUSY_REASONS:
        webhook = behind and behind["webhook"]
        remedy = ": check the service that answers it, and try again" if webhook else ""
        wait = f" (it asks to wait {answer.wait:g} s)" if answer.wait else ""
        said = f"{asked.server} is not able to {asked} now: {answer.message}{wait}{remedy}"
        return ClusterUnavailable(said)
    whole = _about_the_cluster(answer, asked)
    if whole is not None:
        return whole
    if not asked.writes:
        return ClusterError(f"cannot {asked} of {asked.server}: {answer.message}")
    return _manager_conflict(answer) if is_manager_conflict(answer) else Rejected(_why(answer))


def is_manager_conflict(answer: Answer) -> bool:
    """Whether another field manager owns what was to be written, as told by server-side apply."""
    return answer.status == 409 and any(
        cause.get("reason") == "FieldManagerConflict" for cause in answer.causes
    )


def _about_the_cluster(answer: Answer, asked: Asked) -> ClusterError | None:
    if answer.status == 401:
        return ClusterError(
            f"{asked.server} does not accept these credentials (401 Unauthorized): "
            "log in again, or choose another --context"
        )
    if answer.status == 403:
        return _forbidden(answer, asked)
    return _missing(answer, asked) if answer.status == 404 else None


def _forbidden(answer: Answer, asked: Asked) -> ClusterError | None:
    namespace = asked.key.namespace
    if any(cause.get("reason") == "NamespaceTerminating" for cause in answer.causes):
        return ClusterError(f"namespace {namespace} is being deleted: choose another --namespace")
    # a webhook's text is the webhook's own: only the authorizer's says "is forbidden: User"
    found = _RBAC.search(answer.message) if "is forbidden: User" in answer.message else None
    if found is None:
        return None
    verb, resource, user = found["verb"], found["resource"], found["user"]
    return ClusterError(
        f"user {user} may not {verb} {resource} in namespace {namespace}: "
        f"grant it with a Role that allows {verb} on {resource}, or use another --context"
    )


def _missing(answer: Answer, asked: Asked) -> ClusterError | None:
    kind, name = answer.details.get("kind"), answer.details.get("name")
    if kind == "namespaces":
        return ClusterError(
            f"namespace {name} does not exist on {asked.server}: create it "
            f"(kubectl create namespace {name}), or choose another with --namespace"
        )
    found = catalogue.by_plural(asked.resource)
    if found and found.product and not name:
        return ClusterError(
            f"{asked.server} has no {found.kind}s ({found.api_version}): "
            f"install {found.product} there, or choose another --context or --platform"
        )
    return None


def _manager_conflict(answer: Answer) -> Conflict:
    owners: dict[str, list[str]] = {}
    for cause in answer.causes:
        named = re.search(r'conflict with "([^"]*)"', str(cause.get("message")))
        owner = named[1] if named else "another field manager"
        owners.setdefault(owner, []).append(str(cause.get("field")))
    held = "; ".join(f"{owner} owns {', '.join(fields)}" for owner, fields in owners.items())
    remedy = "take it back by leaving out --no-force-conflicts, or have it given up there"
    return Conflict(one_line(f"{held}: {remedy}"))


def _why(answer: Answer) -> str:
    schema = _SCHEMA.search(str(answer.body.get("message") or "")[:_READ])
    if schema:
        lines = {line.strip() for line in schema["why"].splitlines()} - {"", "errors:"}
        return one_line("; ".join(sorted(lines)))
    if unknown := answer.unknown:
        return one_line("; ".join(f".{field}: field not declared in schema" for field in unknown))
    with_field = [cause for cause in answer.causes if cause.get("field")]
    fields = {f"{cause['field']}: {cause.get('message')}" for cause in with_field}
    return one_line("; ".join(sorted(fields))) if fields else _PREAMBLE.sub("", answer.message)
