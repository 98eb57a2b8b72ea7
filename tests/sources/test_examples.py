"""The example that MLflow logs with a model is read, and its own scoring server answers it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from m2s.domain.asking import Asking, Example, Reply
from m2s.domain.versions import Served, Unchecked
from m2s.platforms.common import answers, asking
from m2s.sources.mlflow import examples
from m2s.sources.mlflow.artifacts import Store
from m2s.sources.mlflow.registry import MlflowRegistry
from tests.kits.registry_kit import folder_with, register

STORE = Store("")
INFO = "saved_input_example_info:\n"
NEW = (
    INFO + "  artifact_path: input_example.json\n  serving_input_path: serving_input_example.json\n"
)
SPLIT = INFO + "  artifact_path: input_example.json\n  type: dataframe\n  pandas_orient: split\n"
ARRAY = INFO + "  artifact_path: input_example.json\n  type: ndarray\n  format: tf-serving\n"
JSON = INFO + "  artifact_path: input_example.json\n  type: json_object\n"
SIGNATURE = 'signature:\n  inputs: \'[{"name": "a", "type": "double"}]\'\n'


def read(tmp_path: Path, mlmodel: str, **files: str) -> Example | Unchecked | None:
    named = {f"{name}.json": text for name, text in files.items()}
    folder = tmp_path / "model"
    return examples.read(STORE, folder_with(folder, {"MLmodel": mlmodel, **named}))


def test_mlflows_file_is_taken_as_it_is_with_the_signature(tmp_path: Path) -> None:
    found = read(tmp_path, NEW + SIGNATURE, serving_input_example='{"inputs": [NaN]}')
    assert isinstance(found, Example)
    assert json.dumps(found.payload) == '{"inputs": [NaN]}'
    assert found.inputs == ({"name": "a", "type": "double"},)
    assert "NaN" not in repr(found)


def test_an_older_data_frame_is_wrapped(tmp_path: Path) -> None:
    found = read(tmp_path, SPLIT, input_example='{"columns": ["a"], "data": [[1]]}')
    assert found == Example({"dataframe_split": {"columns": ["a"], "data": [[1]]}})
    found = read(tmp_path, ARRAY, input_example='{"inputs": [1]}')
    assert found == Example({"inputs": [1]})


def test_a_model_without_an_example_has_none(tmp_path: Path) -> None:
    assert read(tmp_path, "flavors: {}\n") is None


@pytest.mark.parametrize(
    ("mlmodel", "files", "why"),
    [
        (JSON, {"input_example": "{}"}, "log the model with MLflow 2.16 or later"),
        (NEW, {}, "serving_input_example.json"),
        (NEW, {"serving_input_example": "{"}, "is no JSON"),
        (NEW, {"serving_input_example": "[1]"}, "nothing can be made of"),
        (INFO + "  artifact_path: ../../secret\n", {}, "names no example"),
        ("a: [", {}, "MLmodel, line 1"),
        ("- a\n", {}, "is no mapping"),
    ],
)
def test_what_cannot_be_read_says_why(
    tmp_path: Path, mlmodel: str, files: dict[str, str], why: str
) -> None:
    found = read(tmp_path, mlmodel, **files)
    assert isinstance(found, Unchecked)
    assert why in found.reason


def test_the_registry_finds_a_versions_example(sqlite_registry: str, tmp_path: Path) -> None:
    files = {"MLmodel": NEW, "serving_input_example.json": '{"inputs": [1]}'}
    register(sqlite_registry, "iris", folder_with(tmp_path / "model", files))
    models = MlflowRegistry(sqlite_registry)
    assert models.example(Served("iris", "1")) == Example({"inputs": [1]})
    gone = models.example(Served("iris", "2"))
    assert isinstance(gone, Unchecked)
    assert "iris v2 is not in the registry any more" in gone.reason


@pytest.fixture(scope="module")
def scoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """MLflow's own scoring server with a model of its own: its URL, and the model's folder."""
    import mlflow
    import pandas as pd  # type: ignore[import-untyped]
    import uvicorn
    from mlflow.pyfunc.model import PythonModel
    from mlflow.pyfunc.scoring_server import init

    class Model(PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            if model_input["text"].tolist() == ["Jane"]:
                raise ValueError(f"I do not like {model_input['text'].tolist()}")
            return model_input["number"].fillna(0.0)

    folder = str(tmp_path_factory.mktemp("scoring") / "model")
    example = pd.DataFrame({"number": [1.5, float("nan")], "text": ["x", "y"]})
    mlflow.pyfunc.save_model(folder, python_model=Model(), input_example=example)
    app = init(mlflow.pyfunc.load_model(folder))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    (listening,) = server.servers[0].sockets
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", folder
    server.should_exit = True
    thread.join(10)


def answered(url: str, example: Example) -> Reply:
    question = asking.question(Asking(service="x", port=1, protocol="mlflow"), example)
    data = json.dumps(question.body).encode()
    headers = {"Content-Type": "application/json"}
    try:
        with urlopen(Request(url + question.path, data, headers)) as response:
            return Reply(response.status, response.read())
    except OSError as error:
        return Reply(int(getattr(error, "code", 0)), error.read())  # type: ignore[attr-defined]


@pytest.mark.thorough
@pytest.mark.server
@pytest.mark.filterwarnings("ignore")
def test_mlflows_scoring_server_answers_what_mlflow_logged(scoring: tuple[str, str]) -> None:
    url, folder = scoring
    example = examples.read(STORE, folder)
    assert isinstance(example, Example)
    reply = answered(url, example)
    assert answers.fault(reply, "mlflow", example) == ""
    assert answers.shape(reply, "mlflow") == "2 predictions"
    with urlopen(url + asking.ready(Asking(service="x", port=1, protocol="mlflow")).path) as ping:
        assert ping.status == 200


@pytest.mark.server
@pytest.mark.filterwarnings("ignore")
def test_its_errors_are_told_without_the_examples_values(scoring: tuple[str, str]) -> None:
    split = {"columns": ["number", "text"], "data": [[1.5, "Jane"]]}
    example = Example({"dataframe_split": split})
    told = answers.fault(answered(scoring[0], example), "mlflow", example)
    assert told.startswith("it answered HTTP 4")
    assert "Jane" not in told
