"""Asking a Service: directly from inside the cluster, from outside by the API server's proxy.

The proxy forwards what follows ``/proxy`` to a ready endpoint of the Service and hands its answer
back (Kubernetes' documentation, "Access Services Running on Clusters"). What it says itself is a
``Status``, which no model server answers with.
"""

from __future__ import annotations

import json

import urllib3
from urllib3.exceptions import HTTPError

from m2s.base import deadline
from m2s.base.bounds import after
from m2s.base.wording import one_line
from m2s.domain.asking import Question, Reply
from m2s.domain.versions import Key
from m2s.targets.kubernetes import decoder
from m2s.targets.kubernetes.api import Api
from m2s.targets.kubernetes.failures import Answer, Asked, refusal
from m2s.targets.names import namespace_name, object_name

_LARGEST = 16 * 1024 * 1024
"""Bytes of an answer that are looked at."""


class Services:
    """The Services of one namespace; ``inside``: this process runs in a pod of the cluster."""

    def __init__(self, api: Api, namespace: str, *, inside: bool) -> None:
        self._api, self._namespace, self._inside = api, namespace_name(namespace), inside
        self._pools = urllib3.PoolManager(retries=False)
        self._pools.pool_classes_by_scheme = deadline.POOLS

    def ask(self, question: Question, seconds: float) -> Reply:
        """Return the reply: see :meth:`m2s.targets.cluster.Cluster.ask`."""
        ask = self._directly if self._inside else self._through
        return ask(question, object_name(question.service), seconds)

    def address(self, service: str, port: int) -> str:
        """Return where a Service listens inside the cluster."""
        return f"http://{service}.{self._namespace}.svc:{port}"

    def _through(self, question: Question, service: str, seconds: float) -> Reply:
        place = f"/api/v1/namespaces/{self._namespace}/services/http:{service}:{question.port}"
        verb, method = ("get", "GET") if question.body is None else ("create", "POST")
        path = f"{place}/proxy{question.path}"
        status, body = self._api.send(method, path, question.body, seconds)
        if not status:
            return _silent(seconds)
        told = _status(body)
        if told is None:
            return Reply(status, body)
        answer = Answer(status, told)
        if status in (401, 403):
            asked = Asked(self._api.server, verb, Key(self._namespace, service), "services/proxy")
            raise refusal(answer, asked)
        return Reply(0, why=answer.message)

    def _directly(self, question: Question, service: str, seconds: float) -> Reply:
        url = self.address(service, question.port) + question.path
        method = "GET" if question.body is None else "POST"
        data = None if question.body is None else json.dumps(question.body)
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            with deadline.within(after(seconds)):
                response = self._pools.request(
                    method, url, body=data, headers=headers, timeout=seconds,
                    redirect=False, preload_content=False,
                )  # fmt: skip
                body = response.read(_LARGEST)
                response.close()
        except (HTTPError, OSError) as error:
            timed_out = "timed out" in str(error).lower()
            return _silent(seconds) if timed_out else Reply(0, why=one_line(str(error)))
        return Reply(response.status, body)


def _silent(seconds: float) -> Reply:
    return Reply(0, why=f"there was no answer within {seconds:g} s")


def _status(body: bytes) -> dict[str, object] | None:
    """Return what the API server itself says, None where something behind it answers."""
    try:
        document = decoder.json_of(body)
    except ValueError:
        return None
    mine = isinstance(document, dict) and document.get("kind") == "Status"
    return document if mine and document.get("apiVersion") == "v1" else None
