"""The documents of a template's file, as they are read; pure.

A file may hold several documents: each is a template, or another object beside it, by its own kind.
A template is read as YAML first, its placeholders standing as texts of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from m2s.base import strictyaml
from m2s.base.strictyaml import Document
from m2s.domain.manifests import TemplateFile, Templates
from m2s.platforms import catalogue
from m2s.platforms.problem import Problem

MAX_DOCUMENTS = 100
"""In one file."""

_BETWEEN = re.compile(r"(?m)^(?:---(?=\s|$)|\.\.\.[ \t\r]*$)")
"""YAML 1.2: a line that begins so ends a document, whatever it stands in."""
_NOTHING = re.compile(r"(?m)\A(?:[ \t\r]*(?:[#%].*)?(?:\n|\Z))*\Z")
_COMMENT = re.compile(r"\{#(?:[^#]++|#(?!\}))*+(?:#\}|\Z)")
_KIND = re.compile(r"(?m)^kind:[ \t]+[\"']?(\w+)[\"']?[ \t\r]*(?:#.*)?$")
_API = re.compile(r"(?m)^apiVersion:[ \t]+[\"']?([\w./-]+)[\"']?[ \t\r]*(?:#.*)?$")

# Of Unicode's private use area: allowed in YAML and without meaning there, unlike quotes or braces.
_OPEN, _CLOSE = "\ue000", "\ue001"
TOKEN = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")

Scalar = str | int | float | bool
"""What a placeholder becomes."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """An expression in a file, and the line it begins in."""

    source: str
    line: int


@dataclass(frozen=True, slots=True)
class Text:
    """What stands between placeholders, and the line it begins in."""

    text: str
    line: int


class Nameable:
    """Something an expression may ask, but not give; its text says what it is."""

    def lacks(self, name: object) -> str:
        """Return in words that a name is not there."""
        raise NotImplementedError


class Function:
    """Something an expression may call; nothing else is callable."""


@dataclass(frozen=True)
class Template:
    """A template as it was read: one YAML document, its placeholders taken out.

    ``lines`` has the line in the file of each line of ``text``.
    """

    file: TemplateFile
    text: str
    placeholders: tuple[Placeholder, ...]
    lines: tuple[int, ...]
    outline: Document

    def line(self, line: int) -> int:
        """Return the line in the file of a line of ``text``."""
        return self.lines[min(line, len(self.lines)) - 1]

    def load(self, fill: strictyaml.Fill | None = None) -> Document:
        """Return the document with each text of it filled in."""
        return _document(self.file, self.text, self.lines, fill)


def read(file: TemplateFile) -> Template:
    """Return a file as a template.

    Raises:
        Problem: naming file and line, for what is no YAML document with placeholders.
    """
    from m2s.desired.templating.expressions import pieces

    found, placeholders, lines = [""], list[Placeholder](), [1]
    try:
        if private := re.search(f"[{_OPEN}{_CLOSE}]", file.text):
            line = file.text.count("\n", 0, private.start()) + 1
            raise Problem(f"{line}: a character of Unicode's private use area")
        for piece in pieces(file.text):
            if isinstance(piece, Placeholder):
                found.append(f"{_OPEN}{len(placeholders)}{_CLOSE}")
                placeholders.append(piece)
            else:
                found.append(piece.text)
                breaks = piece.text.count("\n")
                lines += range(piece.line + 1, piece.line + 1 + breaks)
    except Problem as problem:
        raise Problem(f"{file.origin}:{problem}") from problem
    text = "".join(found)
    outline = _document(file, text, lines, None)
    return Template(file, text, tuple(placeholders), tuple(lines), outline)


def _document(
    file: TemplateFile, text: str, lines: tuple[int, ...] | list[int], fill: strictyaml.Fill | None
) -> Document:
    try:
        documents = strictyaml.load_all(text, fill)
    except strictyaml.YamlError as error:
        line = lines[min(error.line, len(lines)) - 1]
        problem = TOKEN.sub("{{ … }}", error.problem)
        raise Problem(f"{file.origin}:{line}: {problem}") from error
    if len(documents) != 1:
        line = lines[documents[1].line() - 1] if documents else 1
        most = "it must be one" if len(documents) < MAX_DOCUMENTS else f"{MAX_DOCUMENTS} at most"
        raise Problem(f"{file.origin}:{line}: {len(documents)} documents; {most}")
    return documents[0]


def templates(file: TemplateFile) -> Iterator[TemplateFile]:
    """Yield each document that is not known to be another object, as a file of its own.

    Its lines are those of the whole file. Raises nothing: what cannot be read is a template, unless
    it says in plain text that it is of another kind.
    """
    if len(_BETWEEN.findall(file.text)) > MAX_DOCUMENTS:
        yield file
        return
    found = [one for one in _split(file) if not _NOTHING.match(one.text)]
    yield from (one for one in found or [file] if not _says_other(one.text))


def _split(file: TemplateFile) -> Iterator[TemplateFile]:
    text, line, begun = _uncommented(file.text), 1, 0
    for found in _BETWEEN.finditer(text):
        yield replace(file, text="\n" * (line - 1) + text[begun : found.start()])
        line += text.count("\n", begun, found.end())
        begun = found.end()
    yield replace(file, text="\n" * (line - 1) + text[begun:])


def _uncommented(text: str) -> str:
    """Leave out comments of Jinja's: one may hold the line between two documents."""
    from m2s.desired.templating.expressions import pieces

    if "{#" not in text:
        return text
    try:
        list(pieces(text))
    except Problem:
        return text
    return _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)


def _says_other(text: str) -> bool:
    kinds, apis = _KIND.findall(text), _API.findall(text)
    if not kinds or len(kinds) != len(apis):
        return False
    filled = "{{" in text
    return all(_is_other(kind, api, filled=filled) for kind, api in zip(kinds, apis, strict=True))


def _is_other(kind: str, api: str, *, filled: bool) -> bool:
    """Whether it is of no platform; of Kubernetes' own kinds only what is ``filled`` in is."""
    built_in = "." not in api.partition("/")[0]
    return catalogue.is_other(kind, api) or (built_in and not filled)


def kinds(given: Templates) -> set[str]:
    """Return the kinds of deployments that templates say in plain text that they are of."""
    texts = [file.text for file in (*given.files, *([given.base] if given.base else []))]
    told = {kind for text in texts for kind in _KIND.findall(text)}
    return told & {resource.kind for resource in catalogue.every()}


def is_other(body: Any) -> bool:
    """Whether it is an object of no serving platform, such as a Secret beside the templates.

    What is only half a deployment is one with a mistake in it: it must not be passed over.
    """
    if not isinstance(body, dict):
        return False
    kind, api = body.get("kind"), body.get("apiVersion")
    if not isinstance(kind, str) or not isinstance(api, str):
        return False
    return _is_other(kind, api, filled=_OPEN in json.dumps(body, ensure_ascii=False, default=str))
