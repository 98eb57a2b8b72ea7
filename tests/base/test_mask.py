"""Law 7: what is never shown."""

from __future__ import annotations

from typing import Any

import pytest

from m2s.base import mask


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pw@mlflow:5000/x", "http://***@mlflow:5000/x"),
        ("http://user:p@ss@mlflow:5000/x", "http://***@mlflow:5000/x"),
        ("see ftp://token@h/p and s3://b/k", "see ftp://***@h/p and s3://b/k"),
        ("https://a.blob/c?sv=1&sig=abc%3D&se=2", "https://a.blob/c?sv=1&sig=***&se=2"),
        ("Authorization: Bearer eyJhbGciOi.J9", "Authorization: Bearer ***"),
        ("wasbs://container@account.blob.core.windows.net/m",
         "wasbs://container@account.blob.core.windows.net/m"),
        ("s3://bucket/me@example.com/model", "s3://bucket/me@example.com/model"),
    ],
)  # fmt: skip
def test_hides_credentials_in_text(text: str, shown: str) -> None:
    assert mask.text(text) == shown


def test_hides_the_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "correct horse")
    assert mask.text("login failed: correct horse") == "login failed: ***"


@pytest.mark.parametrize(
    ("node", "shown"),
    [
        ([{"name": "DB_PASSWORD", "value": "x"}], [{"name": "DB_PASSWORD", "value": "***"}]),
        ({"apiKey": "x", "image": "i"}, {"apiKey": "***", "image": "i"}),
        ({"envSecretRefName": "s3"}, {"envSecretRefName": "s3"}),
        ({"secretKeyRef": {"name": "n", "key": "k"}}, {"secretKeyRef": {"name": "n", "key": "k"}}),
        ({"name": "max_tokens", "value": "256"}, {"name": "max_tokens", "value": "256"}),
        ({"token": ""}, {"token": ""}),
    ],
)  # fmt: skip
def test_hides_values_by_their_names_but_not_references(node: Any, shown: Any) -> None:
    assert mask.value(node) == shown


def test_hides_a_value_by_the_path_it_stands_at() -> None:
    assert mask.at(("env", "DB_PASSWORD", "value"), "x") == "***"
    assert mask.at(("env", "LEVEL", "value"), "debug") == "debug"
