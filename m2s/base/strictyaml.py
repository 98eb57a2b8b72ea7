"""YAML read as Kubernetes reads it, strictly, with the line of everything.

PyYAML's own loaders would accept what the API server does not (duplicate keys), turn
``2026-01-01`` and ``12:30`` into values JSON does not have, and say nothing of lines once a
document is loaded. This reads with the JSON-compatible core of YAML: what is not one of its
scalars is a string, as in sigs.k8s.io/yaml.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import yaml

MAX_NODES = 100_000
"""How many nodes a file may have once its aliases are written out; a bomb has billions."""


class YamlError(ValueError):
    """Not the YAML that was expected; ``line`` counts from 1."""

    def __init__(self, line: int, problem: str) -> None:
        """Say ``problem`` of ``line``."""
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


MAX_DEPTH = 200
"""How deep a file may be nested; libyaml's composer would overrun the C stack far beyond that."""

_INDICATORS = re.compile(r"^[ \t]*(?:[-?:][ \t]+)*", re.MULTILINE)

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]  # which one it is depends on how PyYAML was built
    """PyYAML's scanner and parser with JSON's scalars."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_BOOL, _NULL = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"
_STR, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"
for _tag, _pattern, _first in (
    (_NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (_BOOL, r"true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF",
     list("tTfFyYnNoO")),
    (_INT, r"[-+]?(0|[1-9][0-9]*)|0o?[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (_FLOAT, r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+0123456789.")),
    (_MERGE, r"<<", ["<"]),
):  # fmt: skip
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), _first)


@dataclass(frozen=True)
class Document:
    """One document of a file: its JSON value and where in the file things stand."""

    value: Any
    node: yaml.Node

    def line(self, *path: str | int) -> int:
        """Return the line of ``path``, or of the deepest part of it that exists."""
        node, line = self.node, _line(self.node)
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return line

    def at(self, *path: str | int) -> "Document":
        """Return the part at ``path``, which is there, as a document of its own."""
        value, node = self.value, self.node
        for step in path:
            value = value[step]
            node = (_child(node, step) or (0, node))[1]
        return Document(value, node)


Fill = Callable[[str, bool], Any]
"""What a text stands for, given the text and whether it stands there without quotes."""


def load_all(content: bytes | str, fill: Fill | None = None) -> list[Document]:
    """Return the documents of a file, empty ones left out; ``fill`` replaces each text in them.

    YamlError, with the line: it is not UTF-8, not YAML, or says something that has no meaning in
    JSON (duplicate keys, NaN, a tag of a programming language).
    """
    text = _decode(content) if isinstance(content, bytes) else content
    try:
        if _may_be_deep(text):
            _refuse_depth(text)
        nodes = list(yaml.compose_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        raise _syntax(error, text) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(line, "a character that YAML does not allow") from error
    documents = []
    for node in nodes:
        if "*" in text or len(text) > MAX_NODES:  # else there are no aliases, and fewer nodes
            _refuse_bomb(node)
        value = _Builder(fill or (lambda text, _: text)).build(node)
        if value is not None:
            documents.append(Document(value, node))
    return documents


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise YamlError(line, "not UTF-8 text") from error


def _syntax(error: yaml.MarkedYAMLError, text: str) -> YamlError:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return YamlError(1, error.problem or "not YAML")
    lines = text.rstrip().split("\n")
    at = min(mark.line, len(lines) - 1)  # the end of the file counts as one more
    if lines[at][mark.column : mark.column + 1] == "\t":
        return YamlError(at + 1, "a tab where YAML wants spaces")
    return YamlError(at + 1, error.problem or error.context or "not YAML")


def _may_be_deep(text: str) -> bool:
    """Whether counting is worth a second parsing.

    At one column there begin two levels at most, a mapping and the sequence that is its value; what
    begins further right than a line's first indicators is in brackets.
    """
    columns = max((len(found[0]) for found in _INDICATORS.finditer(text)), default=0)
    return 2 * (columns + 2) + text.count("[") + text.count("{") > MAX_DEPTH


def _refuse_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth, mark = depth + 1, event.start_mark
            if depth > MAX_DEPTH and mark:
                raise YamlError(mark.line + 1, f"nested over {MAX_DEPTH} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _refuse_bomb(root: yaml.Node) -> None:
    """Count nodes as if every alias were written out, without writing them out."""
    sizes: dict[int, int] = {}
    # Post-order without recursion: an entry comes back to be summed when its children are known.
    stack, open_nodes = [(root, False)], set[int]()
    while stack:
        node, children_done = stack.pop()
        if children_done:
            open_nodes.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes[id(child)] for child in _children(node))
            if sizes[id(node)] > MAX_NODES:
                raise YamlError(_line(node), f"aliases expand to over {MAX_NODES:,} nodes")
        elif id(node) in open_nodes:
            raise YamlError(_line(node), "an alias inside the very value it names")
        elif id(node) not in sizes:
            open_nodes.add(id(node))
            stack.append((node, True))
            stack.extend((child, False) for child in _children(node))


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value


class _Builder:
    """Turns nodes into JSON values."""

    def __init__(self, fill: Fill) -> None:
        self._fill = fill

    def build(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self.build(item) for item in node.value]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        raise YamlError(_line(node), f"the tag {node.tag} has no meaning in JSON")

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged = {**self._merge(value_node), **merged}
                continue
            key = self._key(key_node)
            if key in own:
                raise YamlError(_line(key_node), f"the key {key!r} is given twice")
            own[key] = self.build(value_node)
        return {**merged, **own}

    def _merge(self, node: yaml.Node) -> dict[str, Any]:
        value = self.build(node)
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            raise YamlError(_line(node), "'<<' merges mappings only")
        merged: dict[str, Any] = {}
        for part in parts:
            merged = {**part, **merged}  # the earlier one wins, as YAML's merge key says
        return merged

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag in (_NULL, _FLOAT):
            raise YamlError(_line(node), "a key must be a string: quote it")
        value = self._scalar(node)
        # sigs.k8s.io/yaml writes such keys as their JSON text.
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        value = _scalar(node)
        # PyYAML tells of a text without quotes by a style of "" or None.
        return self._fill(value, not node.style) if isinstance(value, str) else value


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.tag == _STR:
        return text
    if node.tag == _NULL:
        return None
    if node.tag == _BOOL and text.lower() in _BOOLS:
        return _BOOLS[text.lower()]
    number = _number(node.tag, text)
    if number is None:
        raise YamlError(_line(node), f"a value with the tag {node.tag} has no meaning in JSON")
    return number


_BOOLS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _number(tag: str, text: str) -> int | float | None:
    try:
        if tag == _INT:
            # YAML 1.1's octal, which every `defaultMode: 0644` in Kubernetes relies on.
            octal = re.fullmatch(r"0o?([0-7]+)", text)
            return int(octal[1], 8) if octal else int(text, 16 if text[:2] == "0x" else 10)
        if tag == _FLOAT and math.isfinite(float(text)):
            return float(text)
    except ValueError:
        pass
    return None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _child(node: yaml.Node, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(step, int):
        items = node.value if isinstance(node, yaml.SequenceNode) else []
        return (_line(items[step]), items[step]) if step < len(items) else None
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    for key, value in pairs:
        if isinstance(key, yaml.ScalarNode) and key.value == step:
            return _line(key), value
    return None
