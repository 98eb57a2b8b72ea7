"""Templates of deployments, filled in with the versions of a selector; pure.

A template is read as YAML first, its placeholders standing as texts of their own; each text is
then filled in. So no value can break the YAML, whatever is in it; a placeholder is a value with or
without quotes around it (without, a number stays one), and one in a YAML comment is a comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import PurePath
from typing import Any

from m2s.base.names import dns_label
from m2s.desired.choosing import Wanted, default_name
from m2s.desired.documents import TOKEN, Scalar, Template, is_other, read
from m2s.desired.documents import templates as documents
from m2s.desired.judging import judged
from m2s.desired.layering import over_defaults
from m2s.desired.manifest import marked, marks, named, warned
from m2s.desired.templating.names import Catalog, Descriptions
from m2s.domain.manifests import Manifest, TemplateFile, Templates, Undeployable
from m2s.domain.versions import Key
from m2s.objects.layers import Layer
from m2s.platforms import catalogue
from m2s.platforms.platform import Platform
from m2s.platforms.problem import Problem
from m2s.settings.groups import Describing

MAX_OUTPUT = 1024 * 1024
"""Characters that all placeholders of a template may become; etcd takes no larger an object."""


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
        numbers = {int(match[1]) for match in TOKEN.finditer(str(text))}
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

    def from_tag(self, *path: str | int) -> bool:
        """Whether what stands at ``path`` was filled in from a tag, which the policy binds."""
        node = self._template.outline.value
        for step in path:
            known = isinstance(node, list) or (isinstance(node, dict) and step in node)
            node = node[step] if known else None
        sources = (self._template.placeholders[int(one)].source for one in TOKEN.findall(str(node)))
        return any("tags" in source for source in sources)

    def _fill(self, text: str, plain: bool) -> Any:
        whole = TOKEN.fullmatch(text)
        if whole and plain:
            return self._value(whole)
        return TOKEN.sub(lambda match: _text(self._value(match)), text)

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


def deployments(
    given: Templates,
    every: Sequence[Wanted],
    described: Descriptions,
    settings: Describing,
    namespace: str,
) -> Iterator[Manifest | Undeployable]:
    """Yield what each template in each file comes to, once for each selector.

    ``every`` has the versions that are served, of all models.
    """
    for selector in settings.selectors:
        mine = [want for want in every if want.selector == selector]
        for document in chain.from_iterable(map(documents, given.files)):
            catalog = Catalog(selector, mine, described, settings)
            made = deployment(document, catalog, namespace)
            if made is not None:
                yield made


def deployment(
    file: TemplateFile, catalog: Catalog, namespace: str
) -> Manifest | Undeployable | None:
    """Return what the one document of ``file`` comes to; None for another kind of object.

    Its placeholders may ask of ``catalog``, which no other template asks.
    """
    owner = catalog.settings.owner_of(catalog.selector)
    kind = catalog.platform.resource.kind
    default = Key(namespace, default_name(PurePath(file.name).stem, catalog.selector), kind)
    unknown = replace(default, name=dns_label(PurePath(file.name).stem))
    key: Key | None = None
    try:
        template = read(file)
        if is_other(template.outline.value):
            return None
        catalog.platform = platform = _platform(template, catalog.platform)
        default = replace(default, kind=platform.resource.kind)
        filling = Filling(template, catalog.names())
        key = _key(filling, template, default)
        filling.raise_fault()
        return warned(_manifest(filling, catalog, owner, default))
    except Problem as problem:
        models = catalog.asked or [name for name in catalog.models if name in file.text]
        first = next(iter(catalog.used), None)
        return Undeployable(
            key or unknown, owner, catalog.selector, first, str(problem), tuple(models), file.name,
            nameless=key is None,
        )  # fmt: skip


def _platform(template: Template, default: Platform) -> Platform:
    return catalogue.of_body(template.outline.value) or default


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
    platform = catalog.platform
    layer = _layer(platform, filling)
    if not catalog.used:
        where = f"{layer.name}:{filling.line()}"
        raise Problem(
            f'{where}: no placeholder names a model: write one, such as {{{{ model("iris").uri }}}}'
        )
    merged = over_defaults(platform, layer, catalog.settings)
    key, notes = named(merged.body, default)
    known = catalog.uris
    reader = platform.reader(catalog.settings, known)
    body = platform.with_models(merged.body, known, reader)
    uri = platform.first_uri(body)
    models, name = catalog.used_at(uri), filling.file.name
    bare = Manifest(key, owner, catalog.selector, models, {}, uri, notes, template=name)
    made = marked(bare, body)
    made = replace(made, sources=lambda: {**merged.sources(), **marks(made.body)})
    return judged(made, catalog.settings.description_policy)


def fragment(
    file: TemplateFile,
    default: Platform,
    names: Callable[[Platform], Mapping[str, Any]],
    *,
    whole: bool,
) -> tuple[Platform, Layer]:
    """Return the base template filled in for one version, and the platform it is for.

    ``names`` returns what its placeholders may ask of. ``whole``: it must be a deployment by
    itself; it may be a part of one otherwise.

    Raises:
        Problem: naming file and line.
    """
    template = _base(file)
    platform = _platform(template, default)
    filling = Filling(template, names(platform))
    filling.raise_fault()
    if whole:
        return platform, _layer(platform, filling)
    if not isinstance(filling.document.value, dict):
        where, kind = f"{file.origin}:{filling.line()}", platform.resource.kind
        raise Problem(f"{where}: it must be a {kind}, or a part of one")
    return platform, _layer_of(filling, filling.document.value)


def _layer_of(filling: Filling, body: Mapping[str, Any]) -> Layer:
    return Layer(filling.file.origin, body, filling.line, described=filling.from_tag)


def _base(file: TemplateFile) -> Template:
    """Return the one document of a base template; there may be other kinds of objects beside it."""
    found = [one for one in map(read, documents(file)) if not is_other(one.outline.value)]
    if len(found) == 1:
        return found[0]
    line = found[1].line(found[1].outline.line()) if found else 1
    raise Problem(f"{file.origin}:{line}: {len(found)} templates; a base template is one")


def _layer(platform: Platform, filling: Filling) -> Layer:
    """Return a whole deployment, or raise a Problem."""
    origin, body = filling.file.origin, filling.document.value
    fault = platform.fault(filling.document)
    if fault:
        path, words = fault
        raise Problem(f"{origin}:{filling.line(*path)}: {words}")
    return _layer_of(filling, platform.blanked(body))
