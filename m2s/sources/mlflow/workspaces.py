"""Workspaces, the tenants of one MLflow server: each request names one in a header, or none.

A server without them refuses the header, one of before MLflow 3.10 does not know it: MLflow's
client asks the server first, and :mod:`m2s.sources.mlflow.trouble` puts the refusals into words.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from m2s.base.errors import RegistryError, UsageError
from m2s.base.names import dns_label
from m2s.sources.mlflow import client as mlflow
from m2s.sources.mlflow import environment
from m2s.sources.mlflow.server import Server

_INFO, _LIST = "/api/3.0/mlflow/server-info", "/api/3.0/mlflow/workspaces"
_LONGEST = 1024 * 1024
"""Bytes of a list that are looked at."""
_OK = 200


def enter(given: str | None, servers: Iterable[Server]) -> list[Server]:
    """Return the servers in one workspace, which every request of this process names from now on.

    ``servers`` are the tracking server and the registry, mostly the same. None as ``given`` leaves
    it to MLFLOW_WORKSPACE, which MLflow heeds of a server and not of a database. RegistryError: a
    workspace of a database is asked for; UsageError: MLFLOW_WORKSPACE has no name of a workspace.
    """
    servers = list(servers)
    name = given or _own()
    databases = [server for server in servers if server.is_database]
    if not given and len(databases) == len(servers):
        return servers
    if name and databases:
        raise RegistryError(
            f"{databases[0].address} is a database, and workspaces are an MLflow server's: "
            f"give the server's address, or leave out --workspace and {environment.WORKSPACE}"
        )
    if name:
        environment.set_workspace(name)
    return [replace(server, workspace=name) for server in servers]


def names(server: Server) -> tuple[str, ...]:
    """Return the names of a server's workspaces; () where it does not tell, or has none.

    RegistryError: it cannot be reached.
    """
    if _answer(server, _INFO).get("workspaces_enabled") is not True:
        return ()  # its list would be a 503, which MLflow's client asks for again and again
    listed = _answer(server, _LIST).get("workspaces")
    named = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return tuple(str(each["name"]) for each in named if each.get("name"))


def _answer(server: Server, path: str) -> dict[str, Any]:
    with server.asking("list its workspaces"):
        credentials = mlflow.get_default_host_creds(server.uri)
        status, content = mlflow.get(credentials, path, _LONGEST, workspace=False)
        answer = json.loads(content) if status == _OK else {}
    return answer if isinstance(answer, dict) else {}


def _own() -> str:
    name = os.environ.get(environment.WORKSPACE, "").strip()
    if name and dns_label(name) != name:
        wants = "(a-z, 0-9 and '-', at most 63 long)"
        raise UsageError(f"{environment.WORKSPACE}: {name!r} is no name of a workspace {wants}")
    return name
