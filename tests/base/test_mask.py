"""Law 7: what is never shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2s.base import mask, secretlike
from m2s.objects.diff import Name
from tests.kits.support import tried

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9.dozjgNryP4J3jVmNHl0w5N"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pw@mlflow:5000/x", "http://***@mlflow:5000/x"),
        ("http://user:p@ss@mlflow:5000/x", "http://***@mlflow:5000/x"),
        ("postgres://me:pa/ss@db/1", "postgres://***@db/1"),
        ("http://proxy/http://me:pw@host", "http://proxy/http://***@host"),
        ("1http://me:pw@host", "1http://***@host"),
        ("see ftp://token@h/p and s3://b/k", "see ftp://***@h/p and s3://b/k"),
        ("https://a.blob/c?sv=1&sig=abc%3D&se=2", "https://a.blob/c?sv=1&sig=***&se=2"),
        ("s3://b/k?X-Amz-Signature=abc&X-Amz-Date=1", "s3://b/k?X-Amz-Signature=***&X-Amz-Date=1"),
        ("Authorization: Bearer eyJhbGciOi.J9", "Authorization: Bearer ***"),
        (f"got {JWT} from me", "got *** from me"),
        ("ghp_" + "a1" * 18, "***"),
        ("AKIAABCDEFGHIJKLMNOP", "***"),
        ("PWD=hunter2;Uid=me", "PWD=***;Uid=me"),
        ("Server=db;Password='two words';Port=1", "Server=db;Password='***';Port=1"),
        ("AccountKey=abc==;EndpointSuffix=x", "AccountKey=***;EndpointSuffix=x"),
        ("run --password=hunter2 --level=3", "run --password=*** --level=3"),
        ("run --db-password hunter2 -v", "run --db-password *** -v"),
        ('sh -c "x --token hunter2"', 'sh -c "x --token ***"'),
        ('{"password":"hunter2","port":1}', '{"password":"***","port":1}'),
        (r'{\"api_key\": \"hunter2\"}', r'{\"api_key\": \"***\"}'),
        ("password: hunter2", "password: ***"),
        ("https://hooks.slack.com/services/T0/B0/x", "https://hooks.slack.com/***"),
        ("https://discord.com/api/webhooks/1/x", "https://discord.com/api/webhooks/***"),
        ("a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b", "a *** b"),
        ("-----BEGIN PRIVATE KEY-----\nMII cut off", "***"),
    ],
)  # fmt: skip
def test_hides_credentials_in_text(text: str, shown: str) -> None:
    assert mask.hidden(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "wasbs://container@account.blob.core.windows.net/m",
        "s3://bucket/me@example.com/model",
        "s3://models/webhooks/1/model",
        "docker.io/team/my-token:v1@sha256:" + "0" * 64,
        "give --webhook-secret-file PATH, or name a Secret with --env-secret NAME",
        "spec.password: Invalid value",
        "spec.tolerations[0].key: field not declared in schema",
        "token-classifier: no longer wanted",
        "basic authentication is not configured",
        "stage=Staging of http://mlflow:5000 → namespace ml at https://10.0.0.1:6443",
        "max_tokens=256 replicas=3",
        "promoted v1 → v2",
    ],
)
def test_leaves_what_is_no_secret(text: str) -> None:
    assert mask.text(text) == text


def test_hides_the_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "correct horse")
    assert mask.text("login failed: correct horse") == "login failed: ***"


def test_a_text_is_cut_before_it_is_too_much_to_look_through() -> None:
    long = "x" * mask.LONGEST
    assert mask.hidden(long) == long
    assert mask.hidden(f"{long} password=hunter2") == f"{long}… (17 characters more)"
    assert mask.carries_secret(f"{long} password=hunter2")


@pytest.mark.parametrize("name", [
    "DB_PASSWORD", "ENCRYPTION_KEY", "PGPASS", "SSH_KEY", "AUTH", "BASIC_AUTH", "JWT", "PWD", "PIN",
    "apiKey", "accessKeyId_key", "sshkey", "KEY1", "API_KEYS", "SLACK_WEBHOOK", "DSN", "SAS_URL",
    "client-secret", "CREDENTIALS", "Authorization", "X-Auth-Token", "session_cookie",
])  # fmt: skip
def test_names_that_promise_a_secret(name: str) -> None:
    assert secretlike.name(name)


@pytest.mark.parametrize("name", [
    "LOG_LEVEL", "max_tokens", "tokenizer", "MODEL_NAME", "author", "replicas", "num_pins",
    "MLSERVER_HTTP_PORT", "path", "KEYSPACE", "spinner", "compassion",
])  # fmt: skip
def test_names_that_do_not(name: str) -> None:
    assert not secretlike.name(name)


@pytest.mark.parametrize(
    ("node", "shown"),
    [
        ({"apiKey": "x", "image": "i"}, {"apiKey": "***", "image": "i"}),
        ({"envSecretRefName": "s3"}, {"envSecretRefName": "s3"}),
        ({"secretKeyRef": {"name": "n", "key": "k"}}, {"secretKeyRef": {"name": "n", "key": "k"}}),
        ({"tolerations": [{"key": "gpu"}]}, {"tolerations": [{"key": "gpu"}]}),
        ({"annotations": {"key": "x", "a": "b"}}, {"annotations": {"key": "***", "a": "b"}}),
        ({"parameters": [{"name": "max_tokens", "value": "256"}]},
         {"parameters": [{"name": "max_tokens", "value": "256"}]}),
        ({"parameters": [{"name": "api_key", "value": "x"}, {"name": "mode", "value": "y"}]},
         {"parameters": [{"name": "api_key", "value": "***"}, {"name": "mode", "value": "y"}]}),
        ({"httpHeaders": [{"name": "Authorization", "value": "x"}]},
         {"httpHeaders": [{"name": "Authorization", "value": "***"}]}),
        ({"token": ""}, {"token": ""}),
        ({"nodeSelector": {"env": "prod"}}, {"nodeSelector": {"env": "prod"}}),
        ({"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
         {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "***"}}),
    ],
)  # fmt: skip
def test_hides_values_by_their_names_but_not_references(node: Any, shown: Any) -> None:
    assert mask.value(node) == shown


def variable(name: str, value: Any) -> dict[str, Any]:
    return {"env": [{"name": name, "value": value}]}


@pytest.mark.parametrize(
    ("node", "shown"),
    [
        (variable("LEVEL", "debug"), variable("LEVEL", "***")),
        (variable("WORKERS", "4"), variable("WORKERS", "4")),
        (variable("RATIO", "-0.5"), variable("RATIO", "-0.5")),
        (variable("DEBUG", "true"), variable("DEBUG", "true")),
        (variable("DEBUG", True), variable("DEBUG", True)),
        (variable("PIN", "1234"), variable("PIN", "***")),
        (variable("DB_PASS", 1234), variable("DB_PASS", "***")),
        (variable("CARD", "4" * 24), variable("CARD", "***")),
        (variable("EMPTY", ""), variable("EMPTY", "")),
        ({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
         {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}),
        ({"env": {"LEVEL": "debug"}}, {"env": {"LEVEL": "***"}}),
        ({"env": ["LEVEL=debug"]}, {"env": ["***"]}),
        ({"env": [{"name": "A", "vlaue": "debug"}]}, {"env": [{"name": "A", "vlaue": "***"}]}),
        ({"args": ["serve", "--dir=/m", "--port", "80", "-v", "x"]},
         {"args": ["***", "--dir=***", "--port", "80", "-v", "***"]}),
        ({"args": ["--password", "--looks-like-a-flag", "-p4", "-phunter2"]},
         {"args": ["--password", "***", "***", "***"]}),
        ({"args": ["c2VjcmV0cGFzcw=="]}, {"args": ["***"]}),
        ({"command": ["sh", "-c", "PASS=x exec y"]}, {"command": ["***", "-c", "***"]}),
        ({"exec": {"command": ["cat", 3]}}, {"exec": {"command": ["***", "***"]}}),
        ({"command": "run"}, {"command": "***"}),
        ({"args": [{"deep": ["x"]}]}, {"args": [{"deep": ["***"]}]}),
    ],
)  # fmt: skip
def test_hides_literals_of_variables_and_arguments(node: Any, shown: Any) -> None:
    assert mask.value(node) == shown
    assert mask.value({"spec": [node]}) == {"spec": [shown]}


@pytest.mark.parametrize(
    ("listed", "node", "shown"),
    [
        (("LEVEL",), variable("LEVEL", "debug"), "debug"),
        (("LEV*",), variable("LEVEL", "debug"), "debug"),
        (("*",), variable("DB_PASSWORD", "x"), "***"),
        (("*PASSWORD",), variable("DB_PASSWORD", "x"), "***"),
        (("DB_PASSWORD",), variable("DB_PASSWORD", "x"), "x"),
        (("URL",), variable("URL", "db://me:pw@h"), "db://***@h"),
    ],
)
def test_shows_what_is_listed(listed: tuple[str, ...], node: Any, shown: str) -> None:
    assert mask.value(node, listed)["env"][0]["value"] == shown


@pytest.mark.parametrize("listed", ["--dir", "dir", "d*", "*"])
def test_lists_arguments_with_and_without_hyphens(listed: str) -> None:
    assert mask.value({"args": ["--dir=/m"]}, (listed,)) == {"args": ["--dir=/m"]}


CONTAINER = ("spec", "predictors", Name("p"), "componentSpecs", 0, "spec", "containers", Name("m"))


@pytest.mark.parametrize(
    ("path", "node", "shown"),
    [
        (("env", Name("LEVEL"), "value"), "debug", "***"),
        (("env", Name("WORKERS"), "value"), "4", "4"),
        (("env", 0, "value"), "4", "***"),
        (("env", Name("A")), {"name": "A", "value": "x"}, {"name": "A", "value": "***"}),
        (("env",), [{"name": "A", "value": "x"}], [{"name": "A", "value": "***"}]),
        (("env", 0), "A=x", "***"),
        (("args", 1), "x", "***"),
        (("args", 1), "--workers=4", "--workers=4"),
        (("args",), ["--workers", "4"], ["--workers", "4"]),
        (("image",), "server:1", "server:1"),
        (("parameters", Name("api_key"), "value"), "x", "***"),
        (("parameters", 0, "value"), "x", "***"),
        (("parameters", Name("mode"), "value"), "x", "x"),
    ],
)
def test_hides_a_value_by_the_path_it_stands_at(path: Any, node: Any, shown: Any) -> None:
    assert mask.at((*CONTAINER, *path), node) == shown


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("env", "args", "command", "name", "value", "key", "a")),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.thorough
@tried(200)
@given(json_values)
def test_masks_any_json_value_and_again_it_is_the_same(node: Any) -> None:
    shown = mask.value(node)
    assert mask.value(shown) == shown
    json.dumps(shown)
    assert mask.within(json.dumps(node), node) is not None


@pytest.mark.parametrize(
    ("line", "value", "shown"),
    [
        ('Invalid value: "hunter2": no', "hunter2", 'Invalid value: "***": no'),
        ('Invalid value: "ab": no', "ab", 'Invalid value: "***": no'),
        ("got hunter2x", "hunter2", "got hunter2x"),
        ("got hunter2", "hunter2", "got ***"),
        ("got prefixhunter2hunter2", "hunter2hunter2", "got prefix***"),
        ('got "two\\nlines"', "two\nlines", 'got "***"'),
        ("got two lines", "two\nlines", "got ***"),
        ("cut off in hunt…", "hunter2", "cut off in ***…"),
        ("a number 8675309123", 8675309123, "a number ***"),
    ],
)
def test_a_servers_words_are_masked_by_what_was_sent(line: str, value: Any, shown: str) -> None:
    assert mask.within(line, variable("SECRET", value)) == shown
