"""A real MLflow server of any generation, on SQLite, with artifacts in a folder beside it."""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path

from tests.servers.process import Process, free_port

# mlflow 1.x cannot be run as a module.
_RUN = "import sys; sys.argv[0] = 'mlflow'; from mlflow.cli import cli; cli()"


class AnyMlflow:
    """``mlflow server`` of the environment that ``python`` is of; one worker.

    Its artifacts are where its clients reach them too, without it: in the same folder.
    """

    tls = None

    def __init__(self, python: Path, folder: Path) -> None:
        self._port = free_port()
        self.database = folder / "mlflow.db"
        options = {
            "host": "127.0.0.1",
            "port": self._port,
            "workers": 1,
            "backend-store-uri": f"sqlite:///{self.database}",
            "default-artifact-root": folder / "artifacts",
        }
        flags = [f"--{name}={value}" for name, value in options.items()]
        argv = [str(python), "-c", _RUN, "server", *flags]
        env = _environment(python)
        self._process = Process(argv, folder / "mlflow.log", env=env, cwd=folder)
        self._process.await_ready(self._healthy)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def uri(self) -> str:
        """The tracking URI: the same as :attr:`url`."""
        return self.url

    def stop(self) -> None:
        """Kill it as a crash would."""
        self._process.kill()

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _environment(python: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "PYTHON"))}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    path = f"{python.parent}{os.pathsep}{inherited.get('PATH', '')}"
    return {**inherited, **quiet, "PATH": path, "PYTHONWARNINGS": "ignore"}
