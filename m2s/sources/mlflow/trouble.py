"""What went wrong, in a few words, from whatever mlflow and the storage clients raise."""

import json
import re
import traceback
from collections.abc import Iterator
from typing import NamedTuple

from m2s.base.wording import dead_proxy
from m2s.sources.mlflow.client import MlflowException

WHERE = "--tracking-uri or MLFLOW_TRACKING_URI"
_WORKSPACE = "--workspace and MLFLOW_WORKSPACE"
_CREDENTIALS = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
_EXTRAS = {"boto3": "s3", "botocore": "s3", "google": "gcs", "azure": "azure"}
_STATUS = re.compile(
    r"too many (\d{3}) error responses|failed with error code (\d{3})|Failed to query \S+: (\d{3})"
)
_LONGEST = 300
_ERRORS, _NOT_FOUND, _SERVER_ERRORS = 400, 404, 500
_RUNNING = f"is it running? Check {WHERE}"
_HEADER = ("a credential has a character that cannot be sent", "check MLFLOW_TRACKING_TOKEN")
_BROKEN = ("the connection broke off", _RUNNING)
_SLOW = ("no answer in time", "try again, or raise MLFLOW_HTTP_REQUEST_TIMEOUT")
# By the classes' names: requests, urllib3, ssl, botocore and Python itself agree on most of them,
# and not one of them is m2s's own dependency. The first that fits, so the closest come first.
_TRANSPORT = {
    "SSLError": (
        "its TLS certificate is not accepted ({tls})",
        "name its CA in MLFLOW_TRACKING_SERVER_CERT_PATH",
    ),
    "NameResolutionError": ("its host name is unknown", f"check {WHERE}"),
    "ProxyError": ("{proxy}, {why}", "correct it, or name the host in NO_PROXY"),
    "NewConnectionError": ("{why}", _RUNNING),
    "ConnectionRefusedError": ("connection refused", _RUNNING),
    "Timeout": _SLOW,
    "TimeoutError": _SLOW,
    "ProtocolError": _BROKEN,
    "ConnectionResetError": _BROKEN,
    "ChunkedEncodingError": _BROKEN,
    "InvalidHeader": _HEADER,
    "UnicodeEncodeError": _HEADER,
}
_NO_TLS = re.compile(r"(?i)wrong[ _]version[ _]number|record layer failure|unknown[ _]protocol")
_WANTS_TLS = re.compile(r"(?i)plain HTTP request was sent to HTTPS|HTTP request to an HTTPS server")
_WORKSPACE_ABSENT = re.compile(r"Workspace '([^']*)' not found")
_NO_WORKSPACES = re.compile(r"Active workspace '[^']*' cannot be used|Workspace APIs are not")


class Trouble(NamedTuple):
    """A cause, and what to do when it is the tracking server's ("" when nobody can tell)."""

    cause: str
    remedy: str = ""


def install(extra: str) -> str:
    """Return how to install m2s with an extra: from the index, in a checkout, in an image."""
    return (
        f"pip install 'mlflow-m2s[{extra}]', in a checkout pip install '.[{extra}]', "
        f"for an image docker build --build-arg EXTRAS='[{extra}]' ."
    )


def diagnose(error: BaseException, account: str = "the account") -> Trouble:
    """Name the cause of ``error``: the transport's, the HTTP status, else its own first line.

    ``account`` is who asked, as a person knows it.
    """
    for link in chain(error):
        if found := _library(link) or _transport(link) or _workspace(str(link)):
            return found
    if _WANTS_TLS.search(str(error)):
        return Trouble("it wants TLS", f"write https:// for http:// in {WHERE}")
    if status := status_of(error):
        return _answer(status, _said(error), account)
    return _foreign(str(error)) or Trouble(brief(str(error)) or type(error).__name__)


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status of the answer that led to ``error``, None where there was none."""
    return next(filter(None, map(_status, chain(error))), None)


def brief(text: str) -> str:
    """Return ``text`` as one line of at most 300 characters, without the libraries' wrapping."""
    line = re.split(r" \[SQL: | \(Background on this error", " ".join(text.split()))[0]
    line = re.sub(r"^API request to \S+ failed with exception ", "", line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that led to it; mlflow raises without ``from``, requests nests."""
    waiting, seen = [error], set[int]()
    while waiting:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        led = (*link.args, getattr(link, "reason", None), link.__cause__, link.__context__)
        waiting += [inner for inner in led if isinstance(inner, BaseException)]


def _library(error: BaseException) -> Trouble | None:
    if not isinstance(error, ImportError):
        return None
    module = (error.name or str(error)).split(".")[0]
    if extra := _EXTRAS.get(module):
        return Trouble(f"the storage client {module} is not installed: {install(extra)}")
    return Trouble(f"the Python package {module} is not installed", f"pip install {module}")


def _transport(error: BaseException) -> Trouble | None:
    names = {each.__name__ for each in type(error).__mro__}
    if "SSLError" in names and _NO_TLS.search(str(error)):
        return Trouble("it speaks no TLS", f"write http:// for https:// in {WHERE}")
    for name, (cause, remedy) in _TRANSPORT.items():
        if name in names:
            # Such as: [Errno 111] Connection refused; OSError('Tunnel connection failed: 407 …'))
            why = re.split(r"\] |Error\('", str(error))[-1].strip(" ()'\"").lower()
            asked = getattr(getattr(error, "request", None), "url", None) or "https://"
            proxy = dead_proxy(asked)
            return Trouble(cause.format(why=why, tls=_tls(error), proxy=proxy), remedy)
    return None


def _workspace(text: str) -> Trouble | None:
    if found := _WORKSPACE_ABSENT.search(text):
        return Trouble(f"it has no workspace {found[1]!r}", f"check {_WORKSPACE}")
    if "Active workspace is required" in text:
        return Trouble("it needs a workspace", "give --workspace")
    if _NO_WORKSPACES.search(text):
        start = "start it with --enable-workspaces (MLflow 3.10 and later)"
        return Trouble("it has no workspaces", f"{start}, or leave out {_WORKSPACE}")
    return None


def _tls(error: BaseException) -> str:
    found = re.search(r"(certificate verify failed|\[SSL: (?!CERT))[^(]*", str(error))
    return found.group().strip(" :'") if found else "TLS failed"


def _status(error: BaseException) -> int | None:
    """Return the HTTP status of an answer, or None when there was none or it is not told."""
    answered = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(answered, int):
        return answered
    if found := _STATUS.search(str(error)):
        return int(found[found.lastindex or 0])
    if answered := _refused(error):
        return answered
    known = isinstance(error, MlflowException) and error.error_code != "INTERNAL_ERROR"
    return int(error.get_http_status_code()) if known else None  # type: ignore[attr-defined]


def _refused(error: BaseException) -> int | None:
    """Return the status of an answer whose body is JSON, but not MLflow's: mlflow drops it.

    It raises where the answer still is at hand (mlflow.utils.rest_utils, verify_rest_response).
    """
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        status = getattr(frame.f_locals.get("response"), "status_code", None)
        if isinstance(status, int):
            strange = status == _NOT_FOUND and "Response: {" in str(error)
            return None if status < _ERRORS or strange else status
    return None


def _answer(status: int, said: str, account: str) -> Trouble:
    told = f": {said}" if said else ""
    match status:
        case 401:
            return Trouble("it refuses the credentials (401)", _CREDENTIALS)
        case 403:
            return Trouble(f"permission denied (403){told}", f"{account} needs READ")
        case 404:
            return Trouble(f"not found (404){told}", f"is the path of the URI right? Check {WHERE}")
        case 429:
            return Trouble("it is overloaded (429 Too Many Requests)", "try again later")
        case _ if status >= _SERVER_ERRORS:
            return Trouble(f"it answers {status} each time{told}", "see the MLflow server's log")
        case _:
            return Trouble(said or f"it answers {status}")


def _said(error: BaseException) -> str:
    """Return the message of a JSON answer, or "": HTML pages and retry records tell nobody."""
    for link in chain(error):
        body = getattr(getattr(link, "response", None), "text", "")
        try:
            return brief(str(json.loads(body)["message"]))
        except (ValueError, KeyError, TypeError):
            continue
    plain = isinstance(error, MlflowException) and "\n" not in str(error)
    text = "" if not plain or _STATUS.search(str(error)) else str(error)
    return brief(re.sub(r"^([A-Z_]+|Response): ", "", text))


def _foreign(text: str) -> Trouble | None:
    """Recognise an answer that no MLflow server gives."""
    _, strange, body = text.partition("Response: {")
    if not strange and "not in a valid JSON format" not in text:
        return None
    told = f" ({{{brief(body)})" if strange else ""
    return Trouble(f"the answer is not MLflow's{told}", f"is it an MLflow server? Check {WHERE}")
