"""Admission on a real API server: a policy, a quota and webhooks refuse in their own words."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any, NamedTuple

import pytest
from kubernetes import client

from m2s.base.errors import ClusterError, ClusterUnavailable, Rejected
from m2s.domain.versions import Key
from m2s.targets.kubernetes.failures import Answer, Asked, refusal
from m2s.targets.kubernetes.namespace import KubernetesCluster, connect
from tests.kits.deployments import manifest
from tests.kits.support import description
from tests.kits.worlds import World
from tests.servers import ApiServer, wait_for

RULE = {
    "apiGroups": ["*"],
    "apiVersions": ["*"],
    "operations": ["*"],
    "resources": ["seldondeployments"],
}


def only_in(namespace: str) -> dict[str, Any]:
    return {"matchLabels": {"kubernetes.io/metadata.name": namespace}}


@pytest.fixture
def cluster(kubeconfig: Path) -> KubernetesCluster:
    return connect(None, str(kubeconfig), None)


def test_an_admission_policy_refuses_in_the_preview_already(
    api_server: ApiServer, cluster: KubernetesCluster
) -> None:
    admission: Any = client.AdmissionregistrationV1Api(api_server.admin)
    metadata = {"name": f"frozen-{cluster.namespace}"}
    forbid = {"expression": "false", "message": "models are frozen until Monday"}
    policy = {"matchConstraints": {"resourceRules": [RULE]}, "validations": [forbid]}
    admission.create_validating_admission_policy({"metadata": metadata, "spec": policy})
    here = {"namespaceSelector": only_in(cluster.namespace)}
    binding = {"policyName": metadata["name"], "validationActions": ["Deny"]}
    whole = {"metadata": metadata, "spec": {**binding, "matchResources": here}}
    admission.create_validating_admission_policy_binding(whole)
    error = wait_for(lambda: _refusal(cluster), "the policy to be in force")
    assert type(error) is Rejected
    assert "models are frozen until Monday" in str(error)
    with pytest.raises(Rejected, match="frozen until Monday"):
        cluster.apply(manifest(cluster.namespace), None)


def test_a_full_quota_is_a_rejection(api_server: ApiServer, cluster: KubernetesCluster) -> None:
    core: Any = client.CoreV1Api(api_server.admin)
    hard = {"count/seldondeployments.machinelearning.seldon.io": "1"}
    quota = {"metadata": {"name": "few"}, "spec": {"hard": hard}}
    core.create_namespaced_resource_quota(cluster.namespace, quota)
    # as the controller would, were there one
    counted = {"status": {"hard": hard, "used": hard}}
    core.patch_namespaced_resource_quota_status("few", cluster.namespace, counted)
    error = wait_for(lambda: _refusal(cluster), "the quota to be in force")
    assert type(error) is Rejected
    assert "exceeded quota: few" in str(error)


def _refusal(cluster: KubernetesCluster) -> Exception | None:
    try:
        cluster.preview(manifest(cluster.namespace), None)
    except ClusterError as error:
        return error
    return None


class _Webhook(BaseHTTPRequestHandler):
    """Denies everything with the server's ``code``, as Seldon Core's own webhook answers."""

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        code: int = self.server.code  # type: ignore[attr-defined]  # set below
        status = {"code": code, "message": "Traffic must sum to 100"}
        response = {"uid": review["request"]["uid"], "allowed": False, "status": status}
        answer = json.dumps({**review, "request": None, "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def webhook(server: ApiServer, namespace: str, code: int) -> Iterator[None]:
    """Let a webhook answer for SeldonDeployments; code 0: nobody listens at its address."""
    with ExitStack() as stack:
        url = stack.enter_context(_listening(server, code)) if code else "https://127.0.0.1:1/"
        authority = base64.b64encode(server.ca_file.read_bytes()).decode()
        hook = {
            "name": "v1.vseldondeployment.kb.io",
            "clientConfig": {"url": url, "caBundle": authority},
            "rules": [RULE],
            "namespaceSelector": only_in(namespace),
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        admission: Any = client.AdmissionregistrationV1Api(server.admin)
        stack.callback(admission.delete_validating_webhook_configuration, namespace)
        whole = {"metadata": {"name": namespace}, "webhooks": [hook]}
        admission.create_validating_webhook_configuration(whole)
        yield


@contextmanager
def _listening(server: ApiServer, code: int) -> Iterator[str]:
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _Webhook)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.tls.cert_file, server.tls.key_file)
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    listener.code = code  # type: ignore[attr-defined]  # read by the handler
    thread = threading.Thread(target=listener.serve_forever, args=(0.05,))
    thread.start()
    yield f"https://127.0.0.1:{listener.server_address[1]}/"
    listener.shutdown()
    thread.join()
    listener.server_close()


@pytest.mark.parametrize("code", [403, 400, 422, 500])
def test_a_webhook_s_denial_is_a_rejection_in_its_own_words(
    api_server: ApiServer, cluster: KubernetesCluster, code: int
) -> None:
    with webhook(api_server, cluster.namespace, code):
        error = wait_for(lambda: _refusal(cluster), "the webhook to be in force")
    assert type(error) is Rejected
    assert "vseldondeployment.kb.io" in str(error)
    assert "Traffic must sum to 100" in str(error)


def test_a_webhook_that_cannot_be_reached_is_an_outage(
    api_server: ApiServer, cluster: KubernetesCluster
) -> None:
    live = cluster.apply(manifest(cluster.namespace, "there"), None)
    with webhook(api_server, cluster.namespace, 0):
        error = wait_for(lambda: _refusal(cluster), "the webhook to be in force")
        with pytest.raises(ClusterUnavailable, match=r"v1\.vseldondeployment\.kb\.io"):
            cluster.apply(manifest(cluster.namespace), None)
        with pytest.raises(ClusterUnavailable, match=r"v1\.vseldondeployment\.kb\.io"):
            cluster.delete(live)
    assert type(error) is ClusterUnavailable
    assert str(error).startswith(f"{cluster.identity} is not able to patch seldondeployments fraud")
    assert 'webhook "v1.vseldondeployment.kb.io"' in str(error)
    assert "connection refused" in str(error)
    assert "check the service that answers it" in str(error)
    assert cluster.list() == (live,)


def test_an_outage_of_a_webhook_holds_every_row_and_blocks_none(
    on_cluster: World, api_server: ApiServer
) -> None:
    on_cluster.models.add("iris")
    on_cluster.apply()
    on_cluster.models.add("iris", description(image="2"))
    on_cluster.models.add("wine")
    with webhook(api_server, on_cluster.objects.name, 0):
        wait_for(lambda: on_cluster("plan").code == 1, "the webhook to be in force")
        before = on_cluster.objects.snapshot()
        result = on_cluster("apply", "-o", "json")
    assert result.code == 1
    assert result.out == "", "there is no plan, so nothing is called blocked or rejected"
    assert "failed calling webhook" in result.error
    assert "rejected" not in result.error
    assert on_cluster.objects.snapshot() == before
    wait_for(lambda: on_cluster("apply").code == 0, "the webhook to be gone")


class Denial(NamedTuple):
    message: str
    outage: bool


@pytest.mark.parametrize(
    "said",
    [
        Denial('Internal error occurred: failed calling webhook "a.b": failed to call webhook: '
               'Post "https://x/": context deadline exceeded', True),
        Denial('failed calling webhook "a.b": failed to call webhook: Post "https://x": EOF', True),
        Denial("conversion webhook for machinelearning.seldon.io/v1alpha2, Kind=SeldonDeployment "
               'failed: Post "https://x/": dial tcp: lookup x: no such host', True),
        Denial("etcdserver: request timed out", True),
        Denial("etcdserver: request is too large", False),
        Denial('Internal error occurred: failed calling webhook "a.b": received invalid webhook '
               "response: expected response.uid", False),
        Denial('admission webhook "a.b" denied the request: failed calling webhook "c"', False),
        Denial("failed to create typed patch object (x/y; z/v1, Kind=K): .spec.a: field not "
               "declared in schema", False),
    ],
)  # fmt: skip
def test_who_is_out_of_order_when_the_server_answers_500(said: Denial) -> None:
    answer = Answer(500, {"message": said.message, "reason": "InternalError"})
    error = refusal(
        answer, Asked("https://k", "patch", Key("shop", "fraud"), "seldondeployments", writes=True)
    )
    assert type(error) is (ClusterUnavailable if said.outage else Rejected)
