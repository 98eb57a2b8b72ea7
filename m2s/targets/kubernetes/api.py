"""One Kubernetes API server over HTTP: bounded retries, plain JSON in and out."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError, MaxRetryError, ReadTimeoutError, SSLError
from urllib3.util.retry import Retry

from m2s.base.errors import ClusterError, ClusterUnavailable
from m2s.base.wording import one_line
from m2s.targets.kubernetes.failures import BUSY, Answer, Asked, refusal
from m2s.targets.kubernetes.throttle import Throttle

APPLY = "application/apply-patch+yaml"
PAGE = 500
"""Objects to a page of a list: client-go's own page size."""
_RESTARTS = 3
_NOT_PLAIN = re.compile("[^\x20-\x7e\U00010000-\U0010ffff]")
_SERVER = re.compile(r"(?<=://)[^/@]*@")


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | bytes | None = None


class Api:
    """Asks one API server; safe to use from several threads.

    Every request of m2s may be repeated: reads, server-side apply of a stated resourceVersion,
    and a delete that names the object's uid.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        timeout: float,
        workers: int,
        log_in: Callable[[], Configuration] | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        """``timeout`` in seconds for each attempt; ``workers`` is how many threads may ask.

        ``log_in`` reads the credentials again when the server no longer accepts them: a token in a
        file is replaced there before it expires, and a process that runs for long outlives it.
        ``throttle`` holds requests back; those that the server asks to repeat it paces itself,
        with 429 and ``Retry-After``.
        """
        self._timeout, self._workers = timeout, workers
        self._log_in, self._logging_in = log_in, threading.Lock()
        self._throttle = throttle or Throttle(0, 1)
        self._client = self._connected(configuration)
        self.server = _SERVER.sub("", str(configuration.host))

    def _connected(self, configuration: Configuration) -> ApiClient:
        configuration.retries = Retry(
            total=6,
            connect=3,
            read=1,
            status=4,
            other=0,
            allowed_methods=None,
            status_forcelist=BUSY,
            backoff_factor=0.2,
            raise_on_status=False,
            retry_after_max=30,
        )
        configuration.connection_pool_maxsize = self._workers
        _quieten(configuration)
        return ApiClient(configuration)

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        """Return the server's answer, whatever its status.

        Raises :class:`~m2s.base.errors.ClusterUnavailable` when there was none after the retries,
        and :class:`~m2s.base.errors.ClusterError` when TLS failed or the answer is no API server's.
        """
        headers = {} if body is None else {"Content-Type": content_type}
        # the client encodes plain JSON itself, and sends bytes as they are
        data = _encode(body) if body is not None and content_type == APPLY else body
        request = _Request(method, path, query or {}, headers, data)
        response = self._send(request, self._timeout)
        with self._silences():
            return self._decode(response.status, response.read())

    def open(
        self, path: str, query: Mapping[str, str], *, silence: float
    ) -> urllib3.BaseHTTPResponse:
        """Return the answer to a GET with its body unread, for an endless one such as a watch.

        Without a byte for ``silence`` seconds, reading it raises urllib3's ReadTimeoutError.
        """
        answer: urllib3.BaseHTTPResponse
        answer = self._send(_Request("GET", path, query), (self._timeout, silence)).response
        return answer

    def _send(self, request: _Request, timeout: float | tuple[float, float]) -> Any:
        """Return the client's response, asked for with fresh credentials where the old expired."""
        self._throttle.wait()
        client = self._client
        response = self._send_as(client, request, timeout)
        if response.status == 401 and self._log_in is not None:
            with self._silences():
                response.read()  # gives the connection back
            fresh = self._logged_in(client, self._log_in)
            response = self._send_as(fresh, request, timeout)
        return response

    def _send_as(
        self, client: ApiClient, request: _Request, timeout: float | tuple[float, float]
    ) -> Any:
        with self._silences():
            serialized = client.param_serialize(
                request.method,
                request.path,
                query_params=list(request.query.items()),
                header_params={"Accept": "application/json", **request.headers},
                body=request.body,
                auth_settings=["BearerToken"],
            )
            return client.call_api(*serialized, _request_timeout=timeout)

    def _logged_in(self, refused: ApiClient, log_in: Callable[[], Configuration]) -> ApiClient:
        """Return a client with fresh credentials, made once however many threads were refused."""
        with self._logging_in:
            if self._client is refused:
                self._client = self._connected(log_in())
            return self._client

    def items(
        self, path: str, asked: Asked, query: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """Return the items of all pages of a list: all of them, or an error.

        A list whose continuation expired (410) starts afresh, a bounded number of times.
        """
        for _ in range(_RESTARTS):
            items: list[dict[str, Any]] = []
            page = {**(query or {}), "limit": str(PAGE)}
            while (answer := self.ask("GET", path, query=page)).ok:
                items += answer.body.get("items") or []
                page["continue"] = (answer.body.get("metadata") or {}).get("continue") or ""
                if not page["continue"]:
                    return items
            if answer.status != 410:
                raise refusal(answer, asked)
        raise ClusterError(
            f"cannot {asked} completely: its pages expired {_RESTARTS} times while they were read"
        )

    def _decode(self, status: int, data: bytes) -> Answer:
        try:
            body = json.loads(data)
        except ValueError:
            body = None
        if isinstance(body, dict):
            return Answer(status, body)
        text = one_line(data[:200].decode(errors="replace"))
        if status >= 400:
            return Answer(status, {"message": f"{text} (HTTP {status})"})
        raise ClusterError(
            f"{self.server} answered HTTP {status} with something that is not JSON: "
            "check that the kubeconfig's server is a Kubernetes API server"
        )

    @contextmanager
    def _silences(self) -> Iterator[None]:
        try:
            yield
        except (HTTPError, ApiException) as error:
            raise self._silence(error) from error

    def _silence(self, error: Exception) -> ClusterError:
        cause = error.reason if isinstance(error, MaxRetryError) else error
        text = one_line(str(cause))
        # the client turns urllib3's SSLError into an ApiException of status 0
        if isinstance(cause, SSLError | ApiException) or "SSLError" in text:
            return ClusterError(
                f"{self.server}: TLS failed, {_last(text)}: check server and "
                "certificate-authority in the kubeconfig"
            )
        if isinstance(cause, ReadTimeoutError):
            return ClusterUnavailable(
                f"{self.server} did not answer within {self._timeout:g} s: "
                "try again later, or allow more with --request-timeout"
            )
        return ClusterUnavailable(
            f"{self.server} cannot be reached, {_last(text)}: check that the cluster runs and "
            "that this is the right --context"
        )


def _encode(body: Mapping[str, Any]) -> bytes:
    """Return JSON that a YAML parser reads alike: server-side apply takes YAML.

    YAML knows no surrogate pairs, so what lies beyond the BMP goes as it is; line separators and
    control characters, which YAML would fold or refuse, go as escapes.
    """
    text = json.dumps(body, ensure_ascii=False)
    return _NOT_PLAIN.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def _last(text: str) -> str:
    """Return the innermost of urllib3's nested causes."""
    aborted = re.fullmatch(r"\('Connection aborted\.', \w+\((?:\d+, )?'(.*)'\)\)", text)
    if aborted:
        return aborted[1].lower()
    inner = re.sub(r"^.*\[(?:Errno|SSL)[^]]*\]\s*|\(_ssl\.c:\d+\)", "", text)
    return inner.strip(" ()'\"").lower() or text


def _quieten(configuration: Configuration) -> None:
    """Keep urllib3 from printing what the one error line at the end says."""
    logger = logging.getLogger("urllib3.connectionpool")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)
    if not configuration.verify_ssl:  # the kubeconfig says insecure-skip-tls-verify
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
