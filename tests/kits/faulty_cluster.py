"""A namespace of the real API server behind a proxy that spoils its answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from m2s.domain.deployments import LiveDeployment
from m2s.targets.kubernetes.namespace import KubernetesCluster, connect
from tests.kits.deployments import manifest
from tests.servers import ApiServer, FaultProxy


@pytest.fixture
def proxy(api_server: ApiServer, fault_proxy: Callable[[ApiServer], FaultProxy]) -> FaultProxy:
    """What stands before the API server."""
    return fault_proxy(api_server)


@pytest.fixture
def cluster(api_server: ApiServer, namespace: str, proxy: FaultProxy) -> KubernetesCluster:
    """A fresh namespace, reached through the proxy."""
    return connect(namespace, str(api_server.kubeconfig(server=proxy.url)), None)


@pytest.fixture
def live(cluster: KubernetesCluster) -> LiveDeployment:
    """A deployment of ours in it."""
    return cluster.apply(manifest(cluster.namespace), None)
