"""The process's own streams: closed, full, or of a poor encoding, none of which is a traceback."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import typer

from m2s.base import printable

STRUCTURED = ("json", "yaml")
_ESCAPING = ("strict", "surrogateescape", "backslashreplace")
"""Python's own ways with what a stream's encoding cannot say; any other one is the user's wish."""


def prepare() -> None:
    """Make the streams fit for whatever is printed.

    One that whoever started us closed leads nowhere; characters that an encoding has not got are
    replaced by ASCII.
    """
    printable.register()
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - for as long as the process
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "errors", "") in _ESCAPING and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=printable.STANDINS)


_printed: list[list[Mapping[str, Any]]] = []


@contextlib.contextmanager
def gathered() -> Iterator[list[Mapping[str, Any]]]:
    """Have documents not printed in this block, but kept in the list, for one that has several."""
    _printed.append([])
    try:
        yield _printed[-1]
    finally:
        _printed.pop()


def put(
    output: str,
    values: Callable[[], Mapping[str, Any]],
    markdown: Callable[[], str],
    table: Callable[[], Any],
) -> None:
    """Print a result in the format that is asked for, of which only that one is made."""
    from m2s.output import document, tables

    if output in STRUCTURED:
        put_document({"format_version": document.FORMAT_VERSION, **values()}, output)
    elif output == "markdown":
        typer.echo(markdown())
    else:
        tables.show(table())


def put_document(values: Mapping[str, Any], output: str) -> None:
    """Print a document; a stream that cannot say all of it gets it in ASCII, escaped."""
    from m2s.output import document

    if _printed:
        _printed[-1].append(values)
        return

    text = document.text(values, output)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except (UnicodeError, LookupError):
        text = document.text(values, output, in_ascii=True)
    typer.echo(text)


def abandon() -> None:
    """Drop what standard output still holds, which cannot be written."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(line: str) -> None:
    """Write a line to standard error where that can be written to."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def trouble(error: OSError) -> str:
    """Return in words what the operating system refused."""
    why = (error.strerror or str(error)).lower()
    if error.filename is None and error.errno in _WRITING:
        return f"standard output cannot be written: {why}"
    return f"{error.filename}: {why}" if error.filename else why


_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
