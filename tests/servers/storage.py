"""Object stores that speak their clouds' protocols: moto for S3, azurite, and one for Google's.

Each is a process on a free port of 127.0.0.1 that keeps everything in memory.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers.process import Process, free_port

SOMEBODY = ("somebody", "a-secret-of-somebody")
ACCOUNT = "devstoreaccount1"
# Azurite's one well-known account (learn.microsoft.com, "Connect to Azurite"): no secret.
_ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)


class StoreServer:
    """A store in a process of its own; ``tls`` and ``url`` are what a FaultProxy asks for."""

    tls = None

    def __init__(self, argv: Sequence[str], port: int, log: Path) -> None:
        self._port = port
        self._process = Process(argv, log)
        self._process.await_ready(self._answers)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._port}"

    def stop(self) -> None:
        """Kill it, with all that it keeps."""
        self._process.kill()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url, timeout=5):
                return True
        except urllib.error.HTTPError:
            return True  # it refuses, so it is there
        except OSError:
            return False


class S3(StoreServer):
    """moto's server. Anybody may do anything until :meth:`enforce`."""

    def __init__(self, log: Path) -> None:
        port = free_port()
        super().__init__([sys.executable, "-m", "moto.server", f"-p{port}"], port, log)

    def env(self, key: tuple[str, str] = SOMEBODY) -> dict[str, str]:
        """Return what MLflow's S3 client needs to find it; ``key``: its id and its secret."""
        return {
            "MLFLOW_S3_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": key[0],
            "AWS_SECRET_ACCESS_KEY": key[1],
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def enforce(self, *, policies: bool) -> None:
        """Make IAM policies count, or not (docs.getmoto.org, "IAM-like Access Control")."""
        body = b"0" if policies else b"inf"
        plain = {"Content-Type": "text/plain"}  # urllib's own is a form's, which moto would parse
        ask = urllib.request.Request(f"{self.url}/moto-api/reset-auth", body, plain)
        urllib.request.urlopen(ask, timeout=10).close()


class AzureBlob(StoreServer):
    """azurite-blob, with the account that it always has."""

    def __init__(self, program: Path, log: Path) -> None:
        port = free_port()
        flags = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
        super().__init__([str(program), "--blobPort", str(port), *flags], port, log)

    def env(self, key: str = _ACCOUNT_KEY) -> dict[str, str]:
        """Return what MLflow's Azure client needs to find it."""
        parts: Mapping[str, str] = {
            "DefaultEndpointsProtocol": "http",
            "AccountName": ACCOUNT,
            "AccountKey": key,
            "BlobEndpoint": f"{self.url}/{ACCOUNT}",
        }
        joined = ";".join(f"{name}={value}" for name, value in parts.items())
        return {"AZURE_STORAGE_CONNECTION_STRING": joined}


class GoogleStorage(StoreServer):
    """gcp-storage-emulator, which asks nobody for credentials."""

    def __init__(self, log: Path) -> None:
        port = free_port()
        start = ["start", "--host=127.0.0.1", f"--port={port}", "--quiet", "--in-memory"]
        super().__init__([sys.executable, "-m", "gcp_storage_emulator", *start], port, log)

    def env(self, url: str | None = None) -> dict[str, str]:
        """Return what MLflow's Google client needs to find it, or what stands in front of it."""
        return {"STORAGE_EMULATOR_HOST": url or self.url}
