"""The floor: what m2s asks both servers, by a bare HTTP client, after the bare imports.

``python -m tests.bench.floor NAMESPACE`` is a plan in sync, with a FOLDER of manifests an apply of
all of them, and with ``writes`` after that no more than its writes. Nothing is compared or printed.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import kubernetes.client  # noqa: F401 - the imports are what is measured
import mlflow  # noqa: F401
import urllib3
import yaml

PAGE = "1000"
LIST_PAGE = "500"
WORKERS = 8


def plan(namespace: str) -> None:
    """Ask for every model version, the paused models, every SeldonDeployment, the one Secret."""
    http = urllib3.PoolManager()
    _read_registry(http)
    cluster = Cluster(namespace, 1)
    cluster.list()
    _json(cluster.http, f"{cluster.server}/api/v1/namespaces/{namespace}/secrets/bucket")


def apply(namespace: str, folder: str, what: str = "everything") -> None:
    """Ask what a plan does, then dry-run and apply each manifest of a folder, eight at a time."""
    alone = what == "writes"
    if not alone:
        plan(namespace)
    cluster = Cluster(namespace, WORKERS)
    files = sorted(Path(folder).glob("*.yaml"))
    bodies = [yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader) for file in files]
    for body in bodies:
        body["metadata"]["namespace"] = namespace
    with ThreadPoolExecutor(WORKERS) as pool:
        for query in ("",) if alone else ("&dryRun=All", ""):
            for _ in pool.map(partial(cluster.patch, query), bodies):
                pass


class Cluster:
    """The API server that the kubeconfig leads to, asked by a bare client."""

    def __init__(self, namespace: str, workers: int) -> None:
        config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
        cluster = config["clusters"][0]["cluster"]
        login = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
        authority = cluster["certificate-authority"]
        self.http = urllib3.PoolManager(ca_certs=authority, headers=login, maxsize=workers)
        self.server = cluster["server"]
        group = "apis/machinelearning.seldon.io/v1"
        self.all = f"{self.server}/{group}/namespaces/{namespace}/seldondeployments"

    def list(self) -> None:
        """Read every page."""
        token = ""
        while True:
            page = _json(
                self.http, f"{self.all}?{urlencode({'limit': LIST_PAGE, 'continue': token})}"
            )
            token = page["metadata"].get("continue", "")
            if not token:
                break

    def patch(self, query: str, body: Any) -> None:
        """Apply one object on the server, by force."""
        headers = {**self.http.headers, "Content-Type": "application/apply-patch+yaml"}
        url = f"{self.all}/{body['metadata']['name']}?fieldManager=m2s&force=true{query}"
        answer = self.http.request("PATCH", url, body=json.dumps(body), headers=headers)
        if answer.status not in (200, 201):
            raise SystemExit(f"{url}: HTTP {answer.status}")
        json.loads(answer.data)


def _read_registry(http: urllib3.PoolManager) -> None:
    registry = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/model-versions/search"
    order = [("order_by", "name ASC"), ("order_by", "version_number ASC")]
    token = ""
    while True:
        query = urlencode([("max_results", PAGE), *order, ("page_token", token)])
        token = _json(http, f"{registry}?{query}").get("next_page_token", "")
        if not token:
            break
    paused = [("filter", "tags.`m2s.io/paused` LIKE '%'"), ("max_results", PAGE)]
    models = registry.replace("model-versions", "registered-models")
    _json(http, f"{models}?{urlencode([*paused, ('order_by', 'name ASC')])}")


def _json(http: urllib3.PoolManager, url: str) -> Any:
    answer = http.request("GET", url)
    if answer.status != 200:
        raise SystemExit(f"{url}: HTTP {answer.status}")
    return json.loads(answer.data)


if __name__ == "__main__":
    apply(*sys.argv[1:]) if len(sys.argv) > 2 else plan(sys.argv[1])
