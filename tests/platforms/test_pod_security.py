"""The Pod Security Standards as m2s knows them: the API server is asked about the same Pods."""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from m2s.domain.policy import Policy
from m2s.platforms.common.pod_security import told, violations
from m2s.platforms.common.pods import PodSpec
from m2s.platforms.seldon.units import pod_specs
from tests.kits.support import tried
from tests.servers import ApiServer

Json = dict[str, Any]
Allows = Callable[[str, Json], bool | None]
PROFILES = ("RuntimeDefault", "Unconfined", {"Localhost": "a/b"})


def security(**fields: Any) -> Json:
    return {"securityContext": fields}


def volume(**source: Any) -> Json:
    return {"volumes": [{"name": "data", **source}]}


def profile(value: Any) -> Json:
    if isinstance(value, dict):
        return {"type": "Localhost", "localhostProfile": "a/b"}
    return {"type": value}


OF_BOTH: tuple[Json, ...] = (
    security(runAsNonRoot=True),
    security(runAsNonRoot=False),
    security(runAsUser=0),
    security(runAsUser=1000),
    *(security(seccompProfile=profile(value)) for value in PROFILES),
    *(security(appArmorProfile=profile(value)) for value in PROFILES),
    *(
        security(seLinuxOptions=options)
        for options in (
            {"type": "container_t"}, {"type": "container_engine_t"}, {"type": "spc_t"},
            {"level": "s0:c1,c2"}, {"user": "u"}, {"role": "r"}, {"user": ""},
        )
    ),
)  # fmt: skip
OF_PODS: tuple[Json, ...] = (
    {},
    {"hostNetwork": True},
    {"hostPID": True},
    {"hostIPC": True},
    {"hostNetwork": False, "hostPID": False, "hostIPC": False},
    {"hostUsers": False},
    {"hostUsers": True},
    {"nodeSelector": {"a": "b"}, "shareProcessNamespace": True, "priority": 0},
    volume(hostPath={"path": "/"}),
    volume(),
    volume(emptyDir={}),
    volume(secret={"secretName": "x"}),
    volume(configMap={"name": "x"}),
    volume(persistentVolumeClaim={"claimName": "x"}),
    volume(csi={"driver": "x.example.com"}),
    volume(projected={"sources": [{"secret": {"name": "x"}}]}),
    volume(nfs={"server": "x", "path": "/"}),
    volume(iscsi={"targetPortal": "1.2.3.4", "iqn": "iqn.2001-04.com.example:x", "lun": 0}),
    volume(azureFile={"secretName": "x", "shareName": "y"}),
    volume(downwardAPI={"items": []}),
    *(
        security(sysctls=[{"name": name, "value": "1"}])
        for name in ("net.ipv4.tcp_syncookies", "net.ipv4.tcp_rmem", "kernel.msgmax")
    ),
)
OF_CONTAINERS: tuple[Json, ...] = (
    {},
    *(
        {probe: {action: {"port": 80, "host": host}}}
        for probe in ("livenessProbe", "readinessProbe")
        for action in ("httpGet", "tcpSocket")
        for host in ("127.0.0.1", "")
    ),
    {"lifecycle": {"preStop": {"httpGet": {"port": 80, "host": "example.com"}}}},
    {"lifecycle": {"postStart": {"httpGet": {"port": 80}}}},
    {"ports": [{"containerPort": 80, "hostPort": 80}]},
    {"ports": [{"containerPort": 80}]},
    security(privileged=True),
    security(privileged=False),
    security(allowPrivilegeEscalation=True),
    security(allowPrivilegeEscalation=False),
    security(procMount="Default"),
    *(
        security(capabilities=capabilities)
        for capabilities in (
            {"add": ["SYS_ADMIN"], "drop": ["ALL"]}, {"add": ["CHOWN"], "drop": ["ALL"]},
            {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}, {"drop": ["CHOWN"]}, {"add": ["ALL"]},
        )
    ),
)  # fmt: skip
SECURE: Json = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(own: Json, of_pod: Json, *, secure: bool, kind: str = "containers") -> Json:
    """A Pod's spec whose one container, of a kind, says ``own``."""
    base = {"name": "main", "image": "example/image", **(security(**SECURE) if secure else {})}
    odd = {**base, **own}
    if secure and "securityContext" in own:
        odd |= security(**{**SECURE, **own["securityContext"]})
    if kind == "containers":
        return {"containers": [odd], **of_pod}
    other = {**odd, "name": "other", "restartPolicy": "Always"}  # which may have probes
    return {"containers": [base], kind: [other], **of_pod}


@pytest.fixture(scope="module")
def allows(api_server: ApiServer) -> Allows:
    """Whether the API server lets a Pod into a namespace of a level; None if it is no valid Pod."""
    namespaces = {}
    for level in ("baseline", "restricted"):
        name = namespaces[level] = api_server.namespace()
        labels = {"pod-security.kubernetes.io/enforce": level}
        api_server.call("POST", f"/api/v1/namespaces/{name}/serviceaccounts", {
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"},
        })  # fmt: skip
        path = f"/api/v1/namespaces/{name}"
        found = api_server.call("GET", path)
        found["metadata"]["labels"] |= labels
        api_server.call("PUT", path, found)

    def ask(level: str, spec: Json) -> bool | None:
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": spec}
        path = f"/api/v1/namespaces/{namespaces[level]}/pods?dryRun=All"
        try:
            api_server.call("POST", path, body)
        except HTTPError as error:
            answer = json.loads(error.read())
            assert answer["code"] == 422 or "violates PodSecurity" in answer["message"], answer
            return None if answer["code"] == 422 else False
        return True

    return ask


def is_allowed(level: str, spec: Json) -> bool:
    return not list(violations([PodSpec((), spec)], Policy(level)))


CASES = [
    *(pod(own, {}, secure=True) for own in (*OF_CONTAINERS, *OF_BOTH)),
    *(pod(own, {}, secure=False) for own in OF_CONTAINERS),
    *(pod({}, of_pod, secure=True) for of_pod in (*OF_PODS, *OF_BOTH)),
    *(pod(own, {}, secure=True, kind="initContainers") for own in OF_BOTH),
    *(pod({}, of_pod, secure=False) for of_pod in OF_BOTH),
    pod({}, security(runAsNonRoot=True, seccompProfile={"type": "RuntimeDefault"}), secure=False),
    {**pod({}, {}, secure=False), "os": {"name": "windows"}, **security(runAsNonRoot=True)},
    {**pod({}, {}, secure=False), "os": {"name": "windows"}},
    pod({}, security(windowsOptions={"hostProcess": True}) | {"hostNetwork": True}, secure=False),
    pod(security(procMount="Unmasked"), {"hostUsers": False}, secure=True),
    pod(security(procMount="Unmasked"), {"hostUsers": False}, secure=False),
    pod(security(runAsUser=0, runAsNonRoot=False), {"hostUsers": False}, secure=True),
    pod(security(runAsNonRoot=None), {"hostUsers": False}, secure=True),
]


@pytest.mark.thorough
@pytest.mark.cluster
@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_the_api_server_says_the_same(allows: Allows, level: str) -> None:
    judged = [(is_allowed(level, spec), spec) for spec in CASES]
    told = [(allows(level, spec), mine, spec) for mine, spec in judged]
    valid = [each for each in told if each[0] is not None]
    assert len(valid) > 80
    assert {mine for _, mine, _ in valid} == {True, False}
    assert [each for each in valid if each[0] != each[1]] == []


@pytest.mark.cluster
@pytest.mark.parametrize("level", ["baseline", "restricted"])
@tried(60, sharing=True)
@given(
    own=st.lists(st.sampled_from((*OF_CONTAINERS, *OF_BOTH)), max_size=3),
    of_pod=st.lists(st.sampled_from((*OF_PODS, *OF_BOTH)), max_size=3),
    secure=st.booleans(),
    kind=st.sampled_from(["containers", "initContainers"]),
)
def test_so_it_does_of_any_mixture(
    allows: Allows, level: str, own: list[Json], of_pod: list[Json], secure: bool, kind: str
) -> None:
    spec = pod(mixed(own), mixed(of_pod), secure=secure, kind=kind)
    told = allows(level, spec)
    assume(told is not None)
    assert told == is_allowed(level, spec), spec


def mixed(parts: list[Json]) -> Json:
    """One over the other; their security contexts become one."""
    contexts = [part["securityContext"] for part in parts if "securityContext" in part]
    merged = {key: value for part in parts for key, value in part.items()}
    return {**merged, **(security(**dict(ChainMap(*contexts))) if contexts else {})}


KEYS = st.sampled_from(
    [
        "predictors", "componentSpecs", "spec", "metadata", "annotations", "graph", "children",
        "explainer", "containerSpec", "containers", "initContainers", "volumes", "hostPath", "env",
        "securityContext", "capabilities", "add", "drop", "runAsUser", "sysctls", "name", "image",
        "valueFrom", "secretKeyRef", "imagePullSecrets", "svcOrchSpec", "ssl", "os", "ports",
    ]
)  # fmt: skip
NODES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 1) | st.sampled_from(["", "a", "ALL"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=30,
)


@pytest.mark.thorough
@tried(300)
@given(spec=st.dictionaries(KEYS, NODES, max_size=5), pod_spec=st.dictionaries(KEYS, NODES))
def test_what_has_a_wrong_type_is_passed_over(spec: Json, pod_spec: Json) -> None:
    nested = {"predictors": [{"componentSpecs": [{"spec": pod_spec}], **spec}, spec]}
    for body in ({"spec": spec}, {"spec": nested}, {"metadata": spec}):
        parts = pod_specs(body)
        found = list(violations(parts, Policy("restricted", lists=(("images", ()),))))
        assert bool(told(body, found)) is bool(found)


@pytest.mark.parametrize("kind", ["containers", "initContainers", "ephemeralContainers"])
def test_every_kind_of_container_is_looked_at(kind: str) -> None:
    spec = {kind: [{"name": "main", **security(privileged=True)}]}
    assert not is_allowed("baseline", spec)
    assert is_allowed("privileged", spec)


def test_what_the_scheduler_should_choose_is_not_chosen() -> None:
    spec = pod({}, {"nodeName": "master"}, secure=True)
    assert not is_allowed("baseline", spec)
    assert is_allowed("privileged", spec)
