"""Pure: an example that was logged with a model becomes a request in a server's protocol.

MLflow writes ``serving_input_example.json`` beside MLmodel (mlflow, ``models/utils.py``):
``dataframe_split``, ``inputs`` or the object of a language model, with ``params``. MLflow's own
scoring server and MLServer take it as it is at ``/invocations``. What has no form in another
protocol is refused in words, and the version is then not verified.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from m2s.domain.asking import Asking, Example, Question
from m2s.platforms.common.pods import at, mappings
from m2s.platforms.problem import Problem

_MODEL_NAME = "MLSERVER_MODEL_NAME"
_READY = {"mlflow": "/ping", "seldon": "/ready"}
_COLUMNS = {
    "boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64",
    "string": "BYTES",
}  # fmt: skip
_TENSORS = {
    **{f"int{bits}": f"INT{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"UINT{bits}" for bits in (8, 16, 32, 64)},
    "bool": "BOOL", "float16": "FP16", "float32": "FP32", "float64": "FP64", "str": "BYTES",
    "object": "BYTES",
}  # fmt: skip
_PLAIN = {
    "double": float, "float64": float, "long": int, "int64": int, "boolean": bool, "bool": bool,
    "string": str, "str": str,
}  # fmt: skip
"""The types that ``np.array`` gives an array which does not say one, in Seldon's server."""


def ready(asking: Asking) -> Question:
    """Return the request that says only whether a server is there."""
    path = _READY.get(asking.protocol) or f"/v2/models/{quote(asking.model, safe='')}/ready"
    return Question(asking.service, asking.port, path)


def by_probe(container: Mapping[str, Any], service: str, port: int) -> Asking:
    """Return how a container is asked, by where its readiness probe asks.

    ``/ping`` is MLflow's scoring server's, ``/v2/…`` MLServer's, which has the model under the
    name in ``MLSERVER_MODEL_NAME``.

    Raises:
        Problem: its probe tells neither.
    """
    path = at(container, "readinessProbe.httpGet.path")
    if path == "/ping":
        return Asking(service=service, port=port, protocol="mlflow")
    names = (one for one in mappings(container, "env.*") if one.get("name") == _MODEL_NAME)
    model = next((one.get("value") for one in names), None)
    if isinstance(path, str) and path.startswith("/v2/") and isinstance(model, str) and model:
        return Asking(service=service, port=port, protocol="v2", model=model)
    raise Problem(
        "m2s does not know the protocol of its server: a readiness probe at /ping says MLflow's, "
        f"one below /v2/ and the variable {_MODEL_NAME} say V2"
    )


def question(asking: Asking, example: Example) -> Question:
    """Return the request that asks an example.

    Raises:
        Problem: the example has no form in the protocol, with the reason.
    """
    path, encode = _PROTOCOLS[asking.protocol]
    name = quote(asking.model, safe="")
    return Question(asking.service, asking.port, path.format(name), encode(asking, example))


def rows(example: Example) -> int | None:
    """Return how many rows an example has, None where it is no table."""
    if split := example.payload.get("dataframe_split"):
        data = split.get("data") if isinstance(split, Mapping) else None
        return len(data) if isinstance(data, list) else None
    return None


def _as_it_is(_asking: Asking, example: Example) -> Mapping[str, Any]:
    return example.payload


def _v2(_asking: Asking, example: Example) -> Mapping[str, Any]:
    if example.payload.get("params"):
        raise Problem("V2 has no form for the parameters (params) of the example")
    if "dataframe_split" in example.payload:
        table = _Table.of(example)
        inputs = [
            _tensor(name, _datatype(kind, _COLUMNS, f"column {name!r}"), [len(values)], values)
            for name, kind, values in table.columns()
        ]
        return {"parameters": {"content_type": "pd"}, "inputs": inputs}
    given, specs = _inputs(example), example.inputs
    if isinstance(given, Mapping):
        raise Problem("V2 has one tensor for a model of MLServer; the example has named ones")
    kind, dtype = _only_type(specs, "V2")
    datatype = _datatype(dtype, _TENSORS if kind == "tensor" else _COLUMNS, "the input")
    shape, flat = _flat(given)
    content = "str" if datatype == "BYTES" else "np"
    if content == "str" and len(shape) != 1:
        raise Problem("V2 has texts in a list only, not in a table")
    tensor = _tensor("input-0", datatype, shape, flat)
    return {"parameters": {"content_type": content}, "inputs": [tensor]}


def _seldon(asking: Asking, example: Example) -> Mapping[str, Any]:
    if example.payload.get("params"):
        raise Problem("the Seldon protocol has no form for the parameters (params) of the example")
    if "dataframe_split" in example.payload:
        table = _Table.of(example)
        if not asking.frames:
            raise Problem(
                "the signature has names of columns, which Seldon's MLFLOW_SERVER hands over only "
                "with the parameter xtype: DataFrame on its graph node"
            )
        plain = _plain({kind for _, kind, _ in table.columns()})
        ndarray = [[_cast(value, plain) for value in row] for row in table.data]
        return {"data": {"names": list(table.names), "ndarray": ndarray}}
    given = _inputs(example)
    if isinstance(given, Mapping):
        raise Problem("the Seldon protocol has one array; the example has named ones")
    plain = _plain({_only_type(example.inputs, "the Seldon protocol")[1]})
    _flat(given)
    return {"data": {"ndarray": _each(given, lambda value: _cast(value, plain))}}


_PROTOCOLS: Mapping[str, tuple[str, Callable[[Asking, Example], Mapping[str, Any]]]] = {
    "mlflow": ("/invocations", _as_it_is),
    "v2": ("/v2/models/{}/infer", _v2),
    "seldon": ("/api/v1.0/predictions", _seldon),
}


@dataclass(frozen=True, slots=True)
class _Table:
    """A DataFrame as MLflow splits it, with the types of its columns."""

    names: Sequence[str]
    data: Sequence[Sequence[Any]]
    types: Mapping[str, str]

    @classmethod
    def of(cls, example: Example) -> _Table:
        split = example.payload["dataframe_split"]
        names = split.get("columns") if isinstance(split, Mapping) else None
        data = split.get("data") if isinstance(split, Mapping) else None
        if not isinstance(names, list) or not isinstance(data, list):
            raise Problem("the example is not a DataFrame as MLflow splits it")
        if not all(isinstance(name, str) for name in names):
            raise Problem("the columns of the example have no names")
        if not all(isinstance(row, list) and len(row) == len(names) for row in data):
            raise Problem("a row of the example does not have a value for each column")
        types = {str(one.get("name")): str(one.get("type")) for one in example.inputs}
        if missing := [name for name in names if name not in types]:
            raise Problem(f"the signature has no column {missing[0]!r}; log the model with one")
        return cls(names, data, types)

    def columns(self) -> Iterator[tuple[str, str, list[Any]]]:
        """Yield each column's name, its type in the signature, and its values."""
        for number, name in enumerate(self.names):
            yield name, self.types[name], [row[number] for row in self.data]


def _inputs(example: Example) -> Any:
    if "inputs" in example.payload:
        return example.payload["inputs"]
    records = "dataframe_records" in example.payload
    what = "dataframe_records" if records else "the object of a language model"
    raise Problem(f"only MLflow's own protocol has a form for {what}")


def _only_type(specs: Sequence[Mapping[str, Any]], where: str) -> tuple[str, str]:
    """Return of the only input whether it is a tensor, and its type."""
    if len(specs) != 1:
        count = len(specs) or "no"
        raise Problem(f"{where} needs a signature with one input; the model has {count}")
    spec = specs[0]
    if spec.get("type") == "tensor" and isinstance(inner := spec.get("tensor-spec"), Mapping):
        return "tensor", str(inner.get("dtype"))
    return "column", str(spec.get("type"))


def _datatype(kind: str, table: Mapping[str, str], what: str) -> str:
    if kind not in table:
        raise Problem(f"V2 has no datatype for {what}, which is of type {kind}")
    return table[kind]


def _tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    values = [_null(value) for value in data]
    if datatype == "BYTES" and not all(isinstance(value, str | None) for value in values):
        raise Problem(f"a value of {name!r} is no text, as the signature says")
    return {"name": name, "shape": shape, "datatype": datatype, "data": values}


def _null(value: Any) -> Any:
    """Return null for what JSON has no number for: MLflow writes a bare NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(kinds: set[str]) -> type:
    """Return the Python type of every value in an array that has no type of its own."""
    plain = {_PLAIN.get(kind) for kind in kinds}
    if len(plain) == 1 and (only := plain.pop()) is not None:
        return only
    what = "mixes types" if len(kinds) > 1 else f"has the type {''.join(kinds)}"
    raise Problem(
        f"the signature {what}, and the Seldon protocol sends numbers as double or long, texts as "
        "string, and one of them for the whole array"
    )


def _cast(value: Any, plain: type) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if plain is float and number and math.isfinite(value):
        return float(value)  # a whole one would become an integer
    if (
        plain in (int, str, bool)
        and isinstance(value, plain)
        and (plain is bool or value is not True)
    ):
        return value
    raise Problem("the Seldon protocol has no form for a missing value, or one of another type")


def _each(node: Any, change: Callable[[Any], Any]) -> Any:
    return [_each(item, change) for item in node] if isinstance(node, list) else change(node)


def _flat(node: Any) -> tuple[list[int], list[Any]]:
    """Return the shape of nested lists, and their values in a row."""
    if not isinstance(node, list):
        raise Problem("the example is no array")
    if not any(isinstance(item, list) for item in node):
        if any(isinstance(item, Mapping) for item in node):
            raise Problem("only MLflow's own protocol has a form for objects")
        return [len(node)], list(node)
    if not all(isinstance(item, list) for item in node):
        raise Problem("the example is no array: its rows differ in length")
    inner = [_flat(item) for item in node]
    if any(shape != inner[0][0] for shape, _ in inner):
        raise Problem("the example is no array: its rows differ in length")
    return [len(node), *inner[0][0]], [value for _, values in inner for value in values]
