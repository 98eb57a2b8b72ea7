"""What can go wrong with one request; each entry is a way to answer it."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

from tests.servers import kubernetes_status
from tests.servers.faults import Answered, Fault

Change = Callable[[Any], Any]
MEBI = 1024 * 1024
HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"
DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


@cache
def huge() -> bytes:
    """32 MiB of JSON."""
    return b'{"kind": "' + b"x" * (32 * MEBI) + b'"}'


@cache
def bomb() -> bytes:
    """768 MiB of JSON in some hundred KiB: gzip files one after the other are one."""
    head, body, tail = (gzip.compress(each) for each in (b'{"kind": "', b"x" * 16 * MEBI, b'"}'))
    return head + body * 48 + tail


def canned(status: int, body: Any = b"", **headers: str) -> Fault:
    """Answer without asking the server."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(status=status, body=content, headers={"Content-Type": "application/json", **named})


def failing(status: int, reason: str, code: str, **headers: str) -> Fault:
    """Fail as either server would: the body has Kubernetes' words and MLflow's."""
    told = kubernetes_status(status, reason, "this is the test's doing")
    return canned(status, {**told, "error_code": code}, **headers)


def altered(change: Callable[[bytes], bytes]) -> Fault:
    """Let the server do its work and change the bytes that it answers."""
    return Fault(alter=lambda answer: replace(answer, body=change(answer.body)))


def reshaped(change: Change) -> Fault:
    """The same of the answer's JSON; what is no JSON is left alone."""

    def alter(answer: Answered) -> Answered:
        try:
            body = json.loads(answer.body)
        except ValueError:
            return answer
        return replace(answer, body=json.dumps(change(body)).encode())

    return Fault(alter=alter)


def encoded(encoding: str, body: bytes) -> Fault:
    return canned(200, body, Content_Encoding=encoding)


def length(value: str) -> Fault:
    return canned(200, b'{"kind": "Status"}', Content_Length=value)


def everywhere(value: Any, change: Change) -> Any:
    """Change each value that is neither a mapping nor a list, from the inside out."""
    if isinstance(value, dict):
        return change({key: everywhere(each, change) for key, each in value.items()})
    if isinstance(value, list):
        return change([everywhere(each, change) for each in value])
    return change(value)


def renamed(body: Any) -> Any:
    """Give whatever has a name another one."""

    def another(value: Any) -> Any:
        names = ("name", "run_id", "run_uuid", "model_id")
        if not isinstance(value, dict):
            return value
        return {k: "another" if k in names and v else v for k, v in value.items()}

    return everywhere(body, another)


def of_another_kind(body: Any) -> Any:
    if isinstance(body, dict) and "kind" in body:
        return {**body, "kind": "ConfigMap", "apiVersion": "v1"}
    return {"another": body}


def of_other_types(body: Any) -> Any:
    """Turn each list into a text, and each text below it into a number."""
    return everywhere(body, lambda value: "x" if isinstance(value, list) else value)


def numbers_for_texts(body: Any) -> Any:
    return everywhere(body, lambda value: 7 if isinstance(value, str) else value)


def nulls(body: Any) -> Any:
    return dict.fromkeys(body) if isinstance(body, dict) else None


def lists(change: Callable[[list[Any]], list[Any]]) -> Change:
    """Change the lists at the top of an answer: the items, versions, models or files of a page."""

    def changed(body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        return {k: change(v) if isinstance(v, list) else v for k, v in body.items()}

    return changed


def with_token(token: Callable[[], str]) -> Change:
    """Say that there is a next page, in the words of both servers."""

    def changed(body: Any) -> Any:
        if isinstance(body, dict) and "items" in body:
            return {**body, "metadata": {**(body["metadata"] or {}), "continue": token()}}
        return {**body, "next_page_token": token()} if isinstance(body, dict) else body

    return changed


def numbers() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"t{number}"


def stalled() -> Fault:
    """Say nothing; the connection is closed when the proxy heals."""
    return Fault(gate=threading.Event(), at_byte=-1)


TRANSPORT: Mapping[str, Callable[[], Fault]] = {
    "hung up": lambda: Fault(at_byte=-1),
    "reset": lambda: Fault(at_byte=-3),
    "closed after some bytes": lambda: Fault(at_byte=9),
    "done, and then hung up": lambda: Fault(at_byte=-2),
    "silence": stalled,
    "a byte now and then": lambda: Fault(drip=0.4),
    "no HTTP": lambda: Fault(raw=b"SSH-2.0-OpenSSH_9.6\r\n"),
}
CANNED: Mapping[str, Callable[[], Fault]] = {
    "200 {}": lambda: canned(200, {}),
    "200 nothing": lambda: canned(200),
    "200 []": lambda: canned(200, []),
    "200 null": lambda: canned(200, b"null"),
    "200 HTML": lambda: canned(200, HTML, Content_Type="text/html"),
    "200 an error": lambda: canned(200, {"error": "try again"}),
    "200 a Status": lambda: canned(200, SUCCESS),
    "200 a failure": lambda: failing(200, "InternalError", "INTERNAL_ERROR"),
    "200 too deep": lambda: canned(200, DEEP),
    "200 huge": lambda: canned(200, huge()),
    "200 not UTF-8": lambda: canned(200, b'{"kind": "\xff\xfe"}'),
    "200 NaN": lambda: canned(200, b'{"metadata": NaN}'),
    "204": lambda: canned(204),
    "gzip that is none": lambda: encoded("gzip", b"garbage"),
    "a gzip bomb": lambda: encoded("gzip", bomb()),
    "a length too long": lambda: length("4000"),
    "a length too short": lambda: length("5"),
    "a length of 5,000 digits": lambda: length("9" * 5000),
    "a length below zero": lambda: length("-5"),
}
STATUS: Mapping[str, Callable[[], Fault]] = {
    "400": lambda: failing(400, "BadRequest", "BAD_REQUEST"),
    "401": lambda: failing(401, "Unauthorized", "UNAUTHENTICATED"),
    "403": lambda: failing(403, "Forbidden", "PERMISSION_DENIED"),
    "404 in the server's words": lambda: failing(404, "NotFound", "RESOURCE_DOES_NOT_EXIST"),
    "404 of a proxy": lambda: canned(404, HTML, Content_Type="text/html"),
    "409": lambda: failing(409, "Conflict", "RESOURCE_ALREADY_EXISTS"),
    "410": lambda: failing(410, "Expired", "INVALID_STATE"),
    "422": lambda: failing(422, "Invalid", "INVALID_PARAMETER_VALUE"),
    "429 for an hour": lambda: failing(
        429, "TooManyRequests", "REQUEST_LIMIT_EXCEEDED", Retry_After="3600"
    ),
    "500": lambda: failing(500, "InternalError", "INTERNAL_ERROR"),
    "502 of a proxy": lambda: canned(502, HTML, Content_Type="text/html"),
    "503": lambda: failing(503, "ServiceUnavailable", "TEMPORARILY_UNAVAILABLE"),
    "504": lambda: canned(504, b"upstream request timeout", Content_Type="text/plain"),
}
ALTERED: Mapping[str, Callable[[], Fault]] = {
    "half of the JSON": lambda: altered(lambda body: body[: len(body) // 2]),
    "another kind": lambda: reshaped(of_another_kind),
    "another name": lambda: reshaped(renamed),
    "texts for lists": lambda: reshaped(of_other_types),
    "numbers for texts": lambda: reshaped(numbers_for_texts),
    "nulls": lambda: reshaped(nulls),
}
LISTS: Mapping[str, Callable[[], Fault]] = {
    "pages without an end": lambda: reshaped(with_token(numbers().__next__)),
    "a page that repeats": lambda: reshaped(with_token(lambda: "again")),
    "a page that is short": lambda: reshaped(lists(lambda items: items[: len(items) // 2])),
    "a page that lacks the first": lambda: reshaped(lists(lambda items: items[1:])),
    "a page without items": lambda: reshaped(lists(lambda _: [])),
    "items twice": lambda: reshaped(lists(lambda items: items + items)),
}
"""Of answers that have a list in them."""


def redirects(elsewhere: str) -> Mapping[str, Callable[[], Fault]]:
    """Redirects to another server, which ought never to be asked."""
    return {
        f"{status} elsewhere": partial(canned, status, b"", Location=elsewhere)
        for status in (301, 302, 307)
    }


EVERY = {**TRANSPORT, **CANNED, **STATUS, **ALTERED}
SLOW = {"silence", "a byte now and then", "a length too long", "a gzip bomb", "200 huge"}
"""Faults that take a second or more; the short form tries each of them once."""
