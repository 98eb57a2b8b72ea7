"""Templates of SeldonDeployments, filled in with the versions of a selector; pure.

A template is read as YAML first, its placeholders standing as texts of their own; each text is
then filled in. So no value can break the YAML, whatever is in it; a placeholder is a value with or
without quotes around it (without, a number stays one), and one in a YAML comment is a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from m2s.base import strictyaml
from m2s.base.names import dns_label
from m2s.base.strictyaml import Document
from m2s.desired.choosing import default_name
from m2s.desired.layering import over_defaults
from m2s.desired.manifest import marked, marks, named
from m2s.desired.templating.names import Catalog
from m2s.desired.templating.placeholders import Placeholder, Scalar
from m2s.domain.manifests import Manifest, TemplateFile, Undeployable
from m2s.domain.resource import GROUP, KIND
from m2s.domain.versions import Key
from m2s.objects.layers import Layer
from m2s.platforms.problem import Problem
from m2s.platforms.seldon import description
from m2s.platforms.seldon.units import first_uri

MAX_OUTPUT = 1024 * 1024
"""Characters that all placeholders of a template may become; etcd takes no larger an object."""

# Of Unicode's private use area: allowed in YAML and without meaning there, unlike quotes or braces.
_OPEN, _CLOSE = "\ue000", "\ue001"
_TOKEN = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")


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
        if _OPEN in file.text or _CLOSE in file.text:
            raise Problem(f"{_line_of(file.text)}: a character of Unicode's private use area")
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


def _line_of(text: str) -> int:
    at = min(place for place in (text.find(_OPEN), text.find(_CLOSE)) if place >= 0)
    return text.count("\n", 0, at) + 1


def _document(
    file: TemplateFile, text: str, lines: tuple[int, ...] | list[int], fill: strictyaml.Fill | None
) -> Document:
    try:
        documents = strictyaml.load_all(text, fill)
    except strictyaml.YamlError as error:
        line = lines[min(error.line, len(lines)) - 1]
        problem = _TOKEN.sub("{{ … }}", error.problem)
        raise Problem(f"{file.origin}:{line}: {problem}") from error
    if len(documents) != 1:
        line = lines[documents[1].line() - 1] if documents else 1
        raise Problem(f"{file.origin}:{line}: {len(documents)} documents; it must be one")
    return documents[0]


class Filling:
    """The placeholders of one template, each filled in once; ``faults`` have line and words."""

    def __init__(self, template: Template, names: Mapping[str, Any]) -> None:
        self._template, self._names = template, names
        self._values: dict[int, Scalar] = {}
        self._room = MAX_OUTPUT
        self.faults: dict[int, tuple[int, str]] = {}
        self.document = template.load(self._fill)

    @property
    def file(self) -> TemplateFile:
        """What is filled in."""
        return self._template.file

    def knows(self, text: object) -> bool:
        """Whether what a text of the outline became is known."""
        numbers = {int(match[1]) for match in _TOKEN.finditer(str(text))}
        return not numbers & self.faults.keys()

    def raise_fault(self) -> None:
        """Raise a Problem with the first fault, if there is one."""
        if not self.faults:
            return
        line, first = next(iter(self.faults.values()))
        others = len({words for _, words in self.faults.values()}) - 1
        more = f" (and {others} more)" if others else ""
        raise Problem(f"{self.file.origin}:{line}: {first}{more}")

    def line(self, *path: str | int) -> int:
        """Return the line in the file of ``path``, or of the deepest part of it that exists."""
        return self._template.line(self.document.line(*path))

    def _fill(self, text: str, plain: bool) -> Any:
        whole = _TOKEN.fullmatch(text)
        if whole and plain:
            return self._value(whole)
        return _TOKEN.sub(lambda match: _text(self._value(match)), text)

    def _value(self, match: re.Match[str]) -> Scalar:
        number = int(match[1])
        if number not in self._values:
            self._values[number] = self._evaluated(number)
        self._room -= len(_text(self._values[number]))
        if self._room < 0:
            raise Problem(f"{self._template.file.origin}: over {MAX_OUTPUT:,} characters filled in")
        return self._values[number]

    def _evaluated(self, number: int) -> Scalar:
        from m2s.desired.templating.expressions import evaluate

        placeholder = self._template.placeholders[number]
        try:
            return evaluate(placeholder.source, self._names)
        except Problem as problem:
            self.faults[number] = placeholder.line, str(problem)
            return ""


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def deployment(
    file: TemplateFile, catalog: Catalog, namespace: str
) -> Manifest | Undeployable | None:
    """Return what a file of the templates folder comes to; None for another kind of object.

    Args:
        file: of the templates folder.
        catalog: what its placeholders may ask of; asked by no other template.
        namespace: where to.
    """
    owner = catalog.settings.owner_of(catalog.selector)
    default = Key(namespace, default_name(PurePath(file.name).stem, catalog.selector))
    unknown = Key(namespace, dns_label(PurePath(file.name).stem))
    key: Key | None = None
    try:
        template = read(file)
        if _foreign(template.outline.value):
            return None
        filling = Filling(template, catalog.names())
        key = _key(filling, template, default)
        filling.raise_fault()
        return _manifest(filling, catalog, owner, default)
    except Problem as problem:
        models = catalog.asked or mentioned(file, catalog.models)
        first = next(iter(catalog.used), None)
        return Undeployable(
            key or unknown, owner, catalog.selector, first, str(problem), tuple(models), file.name,
            nameless=key is None,
        )  # fmt: skip


def mentioned(file: TemplateFile, models: Iterable[str]) -> tuple[str, ...]:
    """Return the models whose names are in a file that cannot be read as a template."""
    return tuple(model for model in models if model in file.text)


def _foreign(body: Any) -> bool:
    """Whether it is an object that is not for Seldon Core, such as a Secret beside the templates.

    What is only half a SeldonDeployment is one with a mistake in it: it must not be passed over.
    """
    if not isinstance(body, dict):
        return False
    kind, api = body.get("kind"), body.get("apiVersion")
    texts = isinstance(kind, str) and isinstance(api, str)
    return texts and kind != KIND and not str(api).startswith(f"{GROUP}/")


def _key(filling: Filling, template: Template, default: Key) -> Key | None:
    """Return which object it is; None when that is not known."""
    outline, body = template.outline.value, filling.document.value
    try:
        return named(body, default)[0] if filling.knows(outline["metadata"]["name"]) else None
    except KeyError:
        return default
    except (TypeError, AttributeError):
        return None


def _manifest(filling: Filling, catalog: Catalog, owner: str, default: Key) -> Manifest:
    layer = _layer(filling)
    if not catalog.used:
        raise Problem(f"{layer.name}:1: no placeholder names a model: there is nothing to follow")
    merged = over_defaults(layer, catalog.settings)
    key, notes = named(merged.body, default)
    uri = first_uri(merged.body)
    models, name = catalog.used_at(uri), filling.file.name
    bare = Manifest(key, owner, catalog.selector, models, {}, uri, notes, template=name)
    made = marked(bare, merged.body)
    return replace(made, sources=lambda: {**merged.sources(), **marks(made.body)})


def fragment(file: TemplateFile, names: Mapping[str, Any], *, whole: bool) -> Layer:
    """Return the base template filled in for one version.

    Args:
        file: the template.
        names: what its placeholders may ask of.
        whole: whether it must be a SeldonDeployment by itself; it may be a part of one otherwise.

    Raises:
        Problem: naming file and line.
    """
    filling = Filling(read(file), names)
    filling.raise_fault()
    if whole:
        return _layer(filling)
    if not isinstance(filling.document.value, dict):
        raise Problem(f"{file.origin}:1: it must be a SeldonDeployment, or a part of one")
    return Layer(file.origin, filling.document.value, filling.line)


def _layer(filling: Filling) -> Layer:
    """Return a whole SeldonDeployment, or raise a Problem."""
    origin, body = filling.file.origin, filling.document.value
    fault = description.fault(filling.document)
    if fault:
        path, words = fault
        raise Problem(f"{origin}:{filling.line(*path)}: {words}")
    return Layer(origin, body, filling.line)
