"""One Kubernetes API server over HTTP: bounded requests, and answers that were checked."""

import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError
from urllib3.poolmanager import pool_classes_by_scheme

from m2s.base import deadline, trace, waiting
from m2s.base.bounds import Left, after, earliest
from m2s.base.errors import ClusterError
from m2s.base.gate import OPEN, Gate
from m2s.targets.kubernetes import decoder
from m2s.targets.kubernetes.failures import BUSY, Answer, Asked
from m2s.targets.kubernetes.patience import Patience, asked_wait, failure, silenced
from m2s.targets.kubernetes.throttle import Throttle

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
_LARGEST = 128 * 1024 * 1024
"""Bytes of an answer at the most: a page is 500 deployments, which have some kilobytes each."""
_PIECE = 1024 * 1024
_NOT_PLAIN = re.compile("[^\x20-\x7e\U00010000-\U0010ffff]")
_SERVER = re.compile(r"(?<=://)[^/@]*@")


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | bytes | None = None
    gate: Gate = OPEN
    silence: float = 0.0


class Api:
    """Asks one API server; safe to use from several threads.

    Every request of m2s may be repeated: reads, server-side apply of a stated resourceVersion,
    and a delete that names the object's uid. All of one request's attempts take three times the
    ``timeout`` at the most, the waits between them included.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        timeout: float,
        workers: int,
        log_in: Callable[[], Configuration] | None = None,
        throttle: Throttle | None = None,
        told: bool = True,
    ) -> None:
        """``timeout`` in seconds for each attempt as a whole; ``workers`` threads may ask.

        ``log_in`` reads the credentials again when the server no longer accepts them: a token in a
        file is replaced there before it expires, and a process that runs for long outlives it.
        ``throttle`` holds requests back; those that the server asks to repeat it paces itself,
        with 429 and ``Retry-After``. ``told``: say so when an answer takes long.
        """
        self._timeout, self._workers = timeout, workers
        self._log_in, self._logging_in = log_in, threading.Lock()
        self._throttle, self._told = throttle or Throttle(0, 1), told
        self._client = self._connected(configuration)
        self.server = _SERVER.sub("", str(configuration.host))

    def _connected(self, configuration: Configuration) -> ApiClient:
        # neither repeats nor redirects: both are decided here, where it is known what is asked
        configuration.retries = False
        configuration.connection_pool_maxsize = self._workers
        _quieten(configuration)
        client = ApiClient(configuration)
        manager = client.rest_client.pool_manager
        if manager.pool_classes_by_scheme is pool_classes_by_scheme:  # SOCKS has its own
            manager.pool_classes_by_scheme = deadline.POOLS
        return client

    def ask(
        self,
        method: str,
        path: str,
        asked: Asked,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        gate: Gate = OPEN,
    ) -> Answer:
        """Return the server's answer: the object that was ``asked`` for, or the refusal.

        A DELETE's answer is the caller's to check, with ``decoder.expect_deleted``. ``path`` is
        from the root, ``body`` what is sent, as JSON values. A write asks the ``gate`` before each
        attempt, and is over within its time.

        ClusterUnavailable: there was no answer after the repeats; ClusterError: TLS failed, the
        answer is not what was asked for, or the gate was shut before one came.
        """
        headers = {} if body is None else {"Content-Type": content_type}
        # the client encodes plain JSON itself, and sends bytes as they are
        data = _encode(body) if body is not None and content_type == APPLY else body
        request = _Request(method, path, query or {}, headers, data, gate)
        answer = self._answered(request, asked)
        if answer.ok and method != "DELETE" and asked.verb != "list":
            decoder.expect_object(answer, asked)
        return answer

    def open(
        self, path: str, query: Mapping[str, str], *, silence: float, longest: float
    ) -> urllib3.BaseHTTPResponse:
        """Return the answer to a GET with its body unread, for an endless one such as a watch.

        It is asked for once. Reading it raises urllib3's ReadTimeoutError without a byte for
        ``silence`` seconds, and ``longest`` seconds after it began.
        """
        self._throttle.wait()
        left = after(self._timeout)
        request = _Request("GET", path, query, silence=silence)
        try:
            response = self._sent(request, lambda: left())  # noqa: PLW0108 - it moves
        except (HTTPError, ApiException) as error:
            raise self._silenced(error) from error
        left = after(longest)
        opened: urllib3.BaseHTTPResponse = response.response
        return opened

    def send(
        self, method: str, path: str, body: Mapping[str, Any] | None, seconds: float
    ) -> tuple[int, bytes]:
        """Return the status and the body of whatever answers at ``path``, asked once.

        The status is 0 where no whole answer came within ``seconds``; ClusterError: the server
        cannot be reached.
        """
        self._throttle.wait()
        headers = {} if body is None else {"Content-Type": "application/json"}
        left = after(seconds)
        try:
            response = self._sent(_Request(method, path, {}, headers, body, silence=seconds), left)
            return response.status, self._bytes(response)
        except (HTTPError, ApiException) as error:
            if failure(error) == "read":
                return 0, b""
            raise self._silenced(error) from error

    def _answered(self, request: _Request, asked: Asked) -> Answer:
        """Return the answer after as many attempts as there may be."""
        self._throttle.wait()
        patience = Patience(self._timeout)
        with waiting.on(self.server) if self._told else nullcontext():
            while True:
                try:
                    answer = self._read(self._sent(request, patience.attempt()), asked)
                    if answer.status not in BUSY:
                        return answer
                    if (seconds := patience.pause("status", answer.wait)) is None:
                        return answer
                    why = f"it answers {answer.status}"
                except (HTTPError, ApiException) as error:
                    broken = self._silenced(error)
                    kind = failure(error)
                    if kind is None or (seconds := patience.pause(kind)) is None:
                        raise broken from error
                    why = str(broken).removeprefix(f"{self.server} ").partition(": ")[0]
                waiting.again(why)
                request.gate.pause(seconds)

    def _sent(self, request: _Request, left: Left) -> Any:
        """Return the client's response, asked for with fresh credentials where the old expired."""
        client = self._client
        response = self._sent_as(client, request, left)
        if response.status == 401 and self._log_in is not None:
            response.read()  # gives the connection back
            fresh = self._logged_in(client, self._log_in)
            response = self._sent_as(fresh, request, left)
        return response

    def _sent_as(self, client: ApiClient, request: _Request, left: Left) -> Any:
        """Make one attempt: the only place where anything leaves for the server."""
        if request.gate.shut:
            raise ClusterError(
                "it was not sent: m2s was told to stop, or another one leads now; "
                "what became of an earlier attempt is not known"
            )
        serialized = client.param_serialize(
            request.method,
            request.path,
            query_params=list(request.query.items()),
            header_params={"Accept": "application/json", **request.headers},
            body=request.body,
            auth_settings=["BearerToken"],
        )
        silence = (self._timeout, request.silence) if request.silence else self._timeout
        method, url, *_ = serialized
        with trace.request(method, url) as told, deadline.within(earliest(left, request.gate.left)):
            response = client.call_api(*serialized, _request_timeout=silence)
            told.status = response.status
            return response

    def _silenced(self, error: Exception) -> ClusterError:
        return silenced(error, self.server, self._timeout, self._client.configuration.proxy)

    def _logged_in(self, refused: ApiClient, log_in: Callable[[], Configuration]) -> ApiClient:
        """Return a client with fresh credentials, made once however many threads were refused."""
        with self._logging_in:
            if self._client is refused:
                self._client = self._connected(log_in())
            return self._client

    def _read(self, response: Any, asked: Asked) -> Answer:
        headers, data = response.headers, self._bytes(response)
        answer = decoder.decoded(response.status, data, asked, headers.get("Location", ""))
        return replace(answer, wait=asked_wait(headers.get("Retry-After", "")))

    def _bytes(self, response: Any) -> bytes:
        raw, data = response.response, bytearray()
        for piece in raw.stream(_PIECE):
            data += piece
            if len(data) > _LARGEST:
                raw.close()
                raise ClusterError(f"{self.server} sends more than {_LARGEST} bytes in one answer")
        raw.release_conn()
        return bytes(data)


def _encode(body: Mapping[str, Any]) -> bytes:
    """Return JSON that a YAML parser reads alike: server-side apply takes YAML.

    YAML knows no surrogate pairs, so what lies beyond the BMP goes as it is; line separators and
    control characters, which YAML would fold or refuse, go as escapes.
    """
    text = json.dumps(body, ensure_ascii=False)
    return _NOT_PLAIN.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def _quieten(configuration: Configuration) -> None:
    """Keep urllib3 from printing what the one error line at the end says."""
    logger = logging.getLogger("urllib3.connectionpool")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)
    if not configuration.verify_ssl:  # the kubeconfig says insecure-skip-tls-verify
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
