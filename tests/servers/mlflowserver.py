"""A real MLflow server on SQLite, and registries that need no server."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.servers.process import Process, free_port

ADMIN = ("admin", "a-password-of-twelve-and-more")
"""Name and password of the administrator that a ``basic_auth`` server is started with."""


def make_template(folder: Path) -> Path:
    """Return a SQLite file as MLflow makes one, with the default experiment: it takes seconds."""
    import mlflow.store.db.utils
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    # MLflow asks it at each opening of a database, and reads 70 files each time.
    utils: Any = mlflow.store.db.utils
    utils._get_latest_schema_revision = functools.cache(utils._get_latest_schema_revision)
    path = folder / "template.db"
    store = SqlAlchemyStore(f"sqlite:///{path}", (folder / "nowhere").as_uri())
    store.engine.dispose()
    return path


def sqlite_uri(template: Path, folder: Path) -> str:
    """Return the tracking URI of a fresh SQLite registry whose artifacts lie under ``folder``."""
    database = folder / "mlflow.db"
    _copy(template, database, (folder / "artifacts").as_uri())
    return f"sqlite:///{database}"


def _copy(template: Path, database: Path, artifact_root: str) -> None:
    """Copy the template; the default experiment's artifacts go below ``artifact_root``.

    A client of a ``sqlite:///`` URI would otherwise put them into the working directory.
    """
    shutil.copyfile(template, database)
    location = "UPDATE experiments SET artifact_location = ? WHERE experiment_id = 0"
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(location, (f"{artifact_root}/0",))


class MlflowServer:
    """``mlflow server`` on a free port of 127.0.0.1, proxying artifacts; one worker.

    ``args`` go to its command line, ``env`` to its environment, which has no other MLFLOW_ names.
    With ``basic_auth`` it asks for a name and password; :data:`ADMIN` is known to it.
    """

    tls = None

    def __init__(
        self,
        template: Path,
        folder: Path,
        *,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        basic_auth: bool = False,
        port: int | None = None,
    ) -> None:
        self._folder, self._env = folder, dict(env or {})
        self._args = [*args, *self._auth_args()] if basic_auth else list(args)
        self._port = port or free_port()
        self._process: Process | None = None
        self.database = folder / "mlflow.db"
        _copy(template, self.database, "mlflow-artifacts:")
        self.start()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``, the same before and after a restart."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def uri(self) -> str:
        """The tracking URI: the same as :attr:`url`."""
        return self.url

    def start(self) -> None:
        """Start on the same port and data and wait until it answers."""
        if self._process is None:
            log = self._folder / "mlflow.log"
            env = self._environment()
            self._process = Process(self._argv(), log, env=env, cwd=self._folder)
            self._process.await_ready(self._healthy)

    def stop(self) -> None:
        """Kill it as a crash would: connections are refused until :meth:`start`."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def _argv(self) -> list[str]:
        options = {
            "host": "127.0.0.1",
            "port": self._port,
            "workers": 1,
            "backend-store-uri": f"sqlite:///{self.database}",
            "artifacts-destination": self._folder / "artifacts",
        }
        flags = [f"--{name}={value}" for name, value in options.items()]
        return [sys.executable, "-m", "mlflow", "server", *flags, *self._args]

    def _environment(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        return {**inherited, **quiet, **self._env}

    def _auth_args(self) -> list[str]:
        name, password = ADMIN
        config = self._folder / "basic_auth.ini"
        config.write_text(
            "[mlflow]\ndefault_permission = READ\n"
            f"database_uri = sqlite:///{self._folder}/auth.db\nadmin_username = {name}\n"
            f"admin_password = {password}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        )
        key = {"MLFLOW_FLASK_SERVER_SECRET_KEY": "only for tests"}
        self._env = {"MLFLOW_AUTH_CONFIG_PATH": str(config), **key, **self._env}
        return ["--app-name", "basic-auth"]

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as refusal:
            return refusal.code == 401
        except OSError:
            return False
