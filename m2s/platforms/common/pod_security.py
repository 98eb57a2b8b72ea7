"""Pure: what a policy forbids in an object, whatever platform makes its Pods.

The levels are the Pod Security Standards as Kubernetes itself checks them, in their newest version
(k8s.io/pod-security-admission 0.36, ``policy/check_*.go``); tests ask the API server about the same
Pods. Beyond them ``nodeName`` is forbidden, which evades the scheduler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import Any

from m2s.base.labels import MARKS
from m2s.domain.policy import Policy
from m2s.objects.body import Body
from m2s.objects.diff import FieldChange, Step
from m2s.objects.layers import named_path
from m2s.platforms.common.pods import Named, Path, PodSpec, at, found, names


@dataclass(frozen=True, slots=True)
class Finding:
    """What is forbidden at ``path``, and the remedy, in words.

    ``missing``: what should stand below ``path``, a container, and does not; ``pod`` leads to the
    Pod's spec then.
    """

    path: Path
    words: str
    missing: Path = ()
    pod: Path = ()


def told(body: Body, findings: Iterable[Finding]) -> dict[str, Finding]:
    """Return findings in ``body`` by one line each: the path as a person writes it, and words."""
    known: dict[int, bool] = {}
    lines = {}
    for finding in findings:
        path = (*named_path(body, finding.path, known), *finding.missing)
        line = f"{FieldChange(path, 'added')} {finding.words}"
        lines[line if len(line) < 600 else f"{line[:300]}…{line[-200:]}"] = finding
    return lines


_UNSET = (False, "", 0)
_PROFILES = ("RuntimeDefault", "Localhost")
_PROFILE = "must be RuntimeDefault or Localhost"
_CAPABILITIES = (
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
    "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
)  # fmt: skip
_SELINUX = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_SYSCTLS = (
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
)  # fmt: skip
_VOLUMES = (
    "name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image",
    "persistentVolumeClaim", "projected", "secret", "hostPath",
)  # fmt: skip
"""What the level restricted has no word about; hostPath is the level baseline's."""
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"

_Rule = tuple[str, tuple[Any, ...] | Callable[[Any], bool], str]
"""Where, which values are allowed there, and what is said of others."""
_OF_PODS: tuple[_Rule, ...] = (
    ("hostNetwork", _UNSET, "shares the node's network: leave it out"),
    ("hostPID", _UNSET, "shares the node's processes: leave it out"),
    ("hostIPC", _UNSET, "shares the node's memory: leave it out"),
    ("nodeName", _UNSET, "evades the scheduler: use nodeSelector or affinity"),
    ("volumes.*.hostPath", (), "opens the node's files: use a persistentVolumeClaim or emptyDir"),
    ("securityContext.sysctls.*.name", _SYSCTLS, "is not a safe sysctl: leave it out"),
    # Of a Service, whose spec is judged with those of its Pods.
    ("type", ("ClusterIP",), "opens the model to the outside: leave it out"),
    ("externalIPs", ([],), "takes another's addresses: leave it out"),
)
_OF_CONTAINERS: tuple[_Rule, ...] = (
    ("securityContext.privileged", _UNSET, "takes over the node: leave it out"),
    ("securityContext.capabilities.add.*", _CAPABILITIES, "may not be added: leave it out"),
    ("ports.*.hostPort", _UNSET, "takes a port of the node: leave it out"),
    *(
        (f"{handler}.{action}.host", _UNSET, "asks another host: leave it out")
        for handler in ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle.?")
        for action in ("httpGet", "tcpSocket")
    ),
)
_OF_BOTH: tuple[_Rule, ...] = (
    ("securityContext.windowsOptions.hostProcess", _UNSET, "takes over the node: leave it out"),
    ("securityContext.appArmorProfile.type", _PROFILES, _PROFILE),
    ("securityContext.seccompProfile.type", _PROFILES, _PROFILE),
    ("securityContext.seLinuxOptions.type", _SELINUX, "is not for containers: leave it out"),
    ("securityContext.seLinuxOptions.user", _UNSET, "may not be set: leave it out"),
    ("securityContext.seLinuxOptions.role", _UNSET, "may not be set: leave it out"),
)
_PROC_MOUNT: _Rule = ("securityContext.procMount", ("Default",), "must be Default")
_ROOT: _Rule = ("securityContext.runAsUser", lambda user: user not in (0, "0"), "must not be root")
_ADDED: _Rule = ("securityContext.capabilities.add.*", ("NET_BIND_SERVICE",), _OF_CONTAINERS[1][2])


_Need = tuple[str, bool, Callable[[Any], bool], str]
"""What a container must say, whether its Pod may say it instead, and what is allowed."""
_NOT_ROOT: _Need = ("securityContext.runAsNonRoot", True, lambda it: it is True, "must be true")
_LINUX: tuple[_Need, ...] = (
    ("securityContext.allowPrivilegeEscalation", False, lambda it: it is False, "must be false"),
    (
        "securityContext.capabilities.drop",
        False,
        lambda them: isinstance(them, list) and "ALL" in them,
        "must have ALL",
    ),
    ("securityContext.seccompProfile.type", True, lambda _: True, _PROFILE),
)


def violations(parts: Iterable[PodSpec | Named], policy: Policy) -> Iterator[Finding]:
    """Yield what a policy forbids in the Pods of an object, and of what else it names."""
    for part in parts:
        if isinstance(part, PodSpec) and policy.level != "privileged":
            yield from _of_pod(part, strict=policy.level == "restricted")
        for one in names(part):
            if not policy.allows(one.kind, one.name):
                told = "" if one.path[-1] == one.name else f"({one.name}) "
                words = f"{told}is not in policy.{one.kind}: name one that is, or have it added"
                yield Finding(one.path, words)
            elif policy.level != "privileged" and not _is_confined(one):
                yield Finding(one.path, f"({one.value}) must be runtime/default or localhost/…")


def _is_confined(one: Named) -> bool:
    apparmor = one.kind == "annotations" and one.name.startswith(_APPARMOR)
    return not apparmor or one.value in ("", "runtime/default") or one.value[:10] == "localhost/"


def _of_pod(pod: PodSpec, *, strict: bool) -> Iterator[Finding]:
    # Root in a user namespace is nobody on the node; Windows has neither capabilities nor seccomp.
    rooted, linux = pod.spec.get("hostUsers") is not False, at(pod.spec, "os.name") != "windows"
    both = (*_OF_BOTH, *((_ROOT,) if strict and rooted else ()))
    own = (*_OF_CONTAINERS, *both, *((_ADDED,) if strict and linux else ()))
    own = (*own, *((_PROC_MOUNT,) if strict or rooted else ()))
    yield from _broken((*_OF_PODS, *both), pod.spec, pod.path)
    for path, container in pod.containers():
        yield from _broken(own, container, path)
    if strict:
        yield from _of_volumes(pod)
        for need in (*((_NOT_ROOT,) if rooted else ()), *(_LINUX if linux else ())):
            yield from _needed(need, pod)


def _broken(rules: Iterable[_Rule], node: Any, path: Path) -> Iterator[Finding]:
    for way, allowed, words in rules:
        for where, value in found(node, way, path):
            if not (allowed(value) if callable(allowed) else value in allowed):
                told = f"({value}) " if isinstance(value, str) else ""
                yield Finding(where, told + words)


def _of_volumes(pod: PodSpec) -> Iterator[Finding]:
    for path, _ in found(pod.spec, "volumes.*.?", pod.path):
        if path[-1] not in _VOLUMES:
            yield Finding(path, "is no volume for models: use a persistentVolumeClaim or emptyDir")


def _needed(need: _Need, pod: PodSpec) -> Iterator[Finding]:
    way, inherits, allows, words = need
    steps, inherited = tuple(way.split(".")), at(pod.spec, way) if inherits else None
    for path, node in ((pod.path, pod.spec), *pod.containers()):
        value = at(node, way)
        if value is not None and not allows(value):
            yield Finding((*path, *steps), words)
        elif value is None and inherited is None and node is not pod.spec:
            yield Finding(path, words, missing=steps, pod=pod.path)


def watched(body: Body, parts: Iterable[PodSpec | Named]) -> dict[tuple[Step, ...], Any]:
    """Return what policies are about in an object, allowed or not: its path, and what is there."""
    kept = list(parts)
    paths = [each.path for each in violations(kept, Policy())]
    paths += [one.path for part in kept for one in names(part) if one.kind != "kinds"]
    given: Any = body
    known: dict[int, bool] = {}
    return {named_path(body, p, known): reduce(getitem, p, given) for p in paths if not _is_mark(p)}


def _is_mark(path: Path) -> bool:
    return path[0] == "metadata" and str(path[-1]).startswith(MARKS)
