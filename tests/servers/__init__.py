"""Real servers for the tests: a Kubernetes API server, MLflow, and a proxy that spoils answers."""

from tests.servers.apiserver import ApiServer, Rule
from tests.servers.faults import Recorded, Upstream, kubernetes_status
from tests.servers.mlflowserver import MlflowServer, sqlite_uri
from tests.servers.process import free_port, interruptible, wait_for
from tests.servers.proxy import FaultProxy

__all__ = [
    "ApiServer",
    "FaultProxy",
    "MlflowServer",
    "Recorded",
    "Rule",
    "Upstream",
    "free_port",
    "interruptible",
    "kubernetes_status",
    "sqlite_uri",
    "wait_for",
]
