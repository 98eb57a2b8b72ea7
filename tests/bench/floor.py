"""The floor: what a plan in sync asks both servers, by a bare HTTP client, after the bare imports.

``python -m tests.bench.floor NAMESPACE``: nothing is compared, nothing is printed.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import kubernetes.client  # noqa: F401 - the imports are what is measured
import mlflow  # noqa: F401
import urllib3
import yaml

PAGE = "1000"
LIST_PAGE = "500"


def main(namespace: str) -> None:
    """Ask for every model version, the paused models, every SeldonDeployment, the one Secret."""
    registry = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/model-versions/search"
    order = [("order_by", "name ASC"), ("order_by", "version_number ASC")]
    http = urllib3.PoolManager()
    token = ""
    while True:
        query = urlencode([("max_results", PAGE), *order, ("page_token", token)])
        token = _json(http, f"{registry}?{query}").get("next_page_token", "")
        if not token:
            break
    paused = [("filter", "tags.`m2s.io/paused` LIKE '%'"), ("max_results", PAGE)]
    models = registry.replace("model-versions", "registered-models")
    _json(http, f"{models}?{urlencode([*paused, ('order_by', 'name ASC')])}")
    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    cluster = config["clusters"][0]["cluster"]
    login = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
    https = urllib3.PoolManager(ca_certs=cluster["certificate-authority"], headers=login)
    server = cluster["server"]
    group = f"{server}/apis/machinelearning.seldon.io/v1/namespaces/{namespace}/seldondeployments"
    token = ""
    while True:
        page = _json(https, f"{group}?{urlencode({'limit': LIST_PAGE, 'continue': token})}")
        token = page["metadata"].get("continue", "")
        if not token:
            break
    _json(https, f"{server}/api/v1/namespaces/{namespace}/secrets/bucket")


def _json(http: urllib3.PoolManager, url: str) -> Any:
    answer = http.request("GET", url)
    if answer.status != 200:
        raise SystemExit(f"{url}: HTTP {answer.status}")
    return json.loads(answer.data)


if __name__ == "__main__":
    main(sys.argv[1])
