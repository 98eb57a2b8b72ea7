"""What it means that a server did not answer: the client's exceptions in one line."""

from __future__ import annotations

import re

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import (
    ConnectTimeoutError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from m2s.base.errors import ClusterError, ClusterUnavailable
from m2s.base.wording import dead_proxy, one_line
from m2s.targets.kubernetes.patience import Failure


def failure(error: Exception) -> Failure | None:
    """Return what kind of failure an exception is, None for one that is the same each time."""
    if isinstance(error, NewConnectionError | ConnectTimeoutError | ProxyError):
        return "connect"
    return "read" if isinstance(error, ReadTimeoutError | ProtocolError) else None


def silenced(
    error: Exception, server: str, timeout: float, proxy: str | None = None
) -> ClusterError:
    """Return the error that a client's exception stands for.

    Args:
        error: what the client raised.
        server: who was asked.
        timeout: seconds that an attempt had.
        proxy: through which the server was asked, if through any.
    """
    cause: BaseException = error
    if isinstance(error, ProtocolError) and isinstance(error.args[-1], TimeoutError):
        cause = error.args[-1]
    text = one_line(str(cause))
    if isinstance(cause, ProxyError):
        return ClusterUnavailable(
            f"{server} cannot be reached, {one_line(dead_proxy(server, proxy))}, {_last(text)}: "
            "correct it, or name the host in NO_PROXY"
        )
    # the client turns urllib3's SSLError into an ApiException of status 0
    if isinstance(cause, SSLError | ApiException) or "SSLError" in text:
        return ClusterError(
            f"{server}: TLS failed, {_last(text)}: check server and "
            "certificate-authority in the kubeconfig"
        )
    if isinstance(cause, ReadTimeoutError | TimeoutError):
        return ClusterUnavailable(
            f"{server} did not answer within {timeout:g} s: "
            "try again later, or allow more with --request-timeout"
        )
    return ClusterUnavailable(
        f"{server} cannot be reached, {_last(text)}: check that the cluster runs and "
        "that this is the right --context"
    )


def _last(text: str) -> str:
    """Return the innermost of urllib3's nested causes."""
    aborted = re.fullmatch(r"\('Connection aborted\.', \w+\((?:\d+, )?'(.*)'\)\)", text)
    if aborted:
        return aborted[1].lower()
    inner = re.sub(r"^.*\[(?:Errno|SSL)[^]]{0,60}\]\s*|\(_ssl\.c:\d+\)|^.*Error\('", "", text)
    return inner.strip(" ()'\"").lower() or text
