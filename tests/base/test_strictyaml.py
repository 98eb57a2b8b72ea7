"""YAML read as Kubernetes reads it."""

from __future__ import annotations

import pytest

from m2s.base import strictyaml

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(12)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("mode: 0644", {"mode": 420}),  # every `defaultMode` in Kubernetes relies on it
        ("[1, -3, 0x1F, 0o17]", [1, -3, 31, 15]),
        ("[.5, 2.5, 1e3]", [0.5, 2.5, 1000.0]),
        ("[yes, Off, true]", [True, False, True]),
        ("[2026-01-01, 12:30, 1.2.3]", ["2026-01-01", "12:30", "1.2.3"]),
        ("{8080: a, true: b}", {"8080": "a", "true": "b"}),
        ("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}", {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}}),
        ("b: {<<: [{p: 1}, {p: 2, q: 2}]}", {"b": {"p": 1, "q": 2}}),
        (b"\xef\xbb\xbfa: 1", {"a": 1}),
        ('{"json": [null, "too"]}', {"json": [None, "too"]}),
    ],
)
def test_reads_the_values_kubernetes_reads(text: str | bytes, value: object) -> None:
    assert [document.value for document in strictyaml.load_all(text)] == [value]


def test_leaves_empty_documents_out() -> None:
    assert [each.value for each in strictyaml.load_all("---\n---\na: 1\n---\n")] == [{"a": 1}]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\na: 2", 2, "the key 'a' is given twice"),
        ("a:\n\t- b", 2, "a tab"),
        ("a: 1\n b: 2", 2, "mapping values are not allowed"),
        ("a: [1", 1, ""),
        ("a: *nope", 1, "undefined alias"),
        ("x: 1\na: &a [*a]", 2, "an alias inside the very value it names"),
        (BOMB, 6, "aliases expand to over 100,000 nodes"),
        ("[" * 5_000, 1, "nested over 200 levels deep"),
        ("- " * 300_000, 1, "nested over 200 levels deep"),
        ("a: 1\nb: !!python/object:os.system x", 2, "has no meaning in JSON"),
        ("a: !!set {x}", 1, "has no meaning in JSON"),
        ("a: 1e999", 1, "has no meaning in JSON"),
        ("a: 1\nnull: b", 2, "a key must be a string"),
        ("a: 1\n<<: [1]", 2, "'<<' merges mappings only"),
        (b"a: 1\nb: \xff", 2, "not UTF-8"),
        ("a: 1\nb: \x01", 2, "a character that YAML does not allow"),
    ],
)
def test_names_the_line_of_what_it_refuses(text: str | bytes, line: int, problem: str) -> None:
    with pytest.raises(strictyaml.YamlError) as caught:
        strictyaml.load_all(text)
    assert caught.value.line == line
    assert problem in caught.value.problem


def test_finds_the_line_of_a_path_or_of_the_deepest_part_that_exists() -> None:
    text = "kind: X\nspec:\n  predictors:\n  - name: a\n  - name: b\n    graph: {}\n"
    (document,) = strictyaml.load_all(text)
    assert document.line("spec", "predictors", 1, "graph") == 6
    assert document.line("spec", "predictors", 1, "nope", "deeper") == 5
    assert document.line("metadata") == 1
