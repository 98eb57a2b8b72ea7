"""A cluster whose pods run, and an MLflow server: the fixture ``lab``.

The API server, etcd, the controller manager, the scheduler, MLflow and what runs in the pods are
real. The node is a stand-in (node.py): a pod is a network namespace, a container a program in a
mount namespace with folders of this machine. All of it is in namespaces of an unprivileged user;
docs/serving-lab.md says what cannot be shown here.
"""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.servers import ApiServer, free_port, wait_for
from tests.servers.certs import Tls

Json = dict[str, Any]
T = TypeVar("T")
_NAMESPACES = [
    *("unshare", "--map-root-user", "--net", "--mount", "--pid", "--ipc", "--fork"),
    *("--kill-child=KILL", "--mount-proc", "--propagation", "private", "--"),
]
_TRIAL = "ip link add b0 type bridge && ip link add v0 type veth peer name v1"
_PROJECT = Path(__file__).resolve().parents[2]
_BACKLOG = 128
_PATIENCE = 300.0
"""Seconds at most for anything: a server starts in ten, and in a minute on a busy machine."""


def obstacle() -> str | None:
    """Return why the lab cannot be on this machine; None where it can."""
    if sys.platform != "linux":
        return f"pods run on Linux only, and this is {sys.platform}"
    try:
        subprocess.run(
            [*_NAMESPACES, "sh", "-ec", _TRIAL], check=True, capture_output=True, text=True
        )
    except FileNotFoundError:
        return "unshare is not installed: util-linux has it"
    except subprocess.CalledProcessError as failure:
        said = failure.stderr.strip() or f"exit code {failure.returncode}"
        return f"no namespaces for an ordinary user: {said.splitlines()[-1]}"
    return None


@dataclass(frozen=True, kw_only=True)
class Programs:
    """Folders of what the lab starts, and MLflow's database to copy."""

    api_server: Path
    controllers: Path
    template: Path
    kserve: Path | None


class Lab:
    """Started by the constructor in ten seconds; ``server`` and ``mlflow`` are outside, too."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self._folder, self._programs = folder, programs
        self._has_kserve = False
        ports = (free_port(), free_port())
        sockets = [socket.create_server(("127.0.0.1", port), backlog=_BACKLOG) for port in ports]
        descriptors = [each.fileno() for each in sockets]
        asked = folder / "asked.json"
        text = {"folder": str(folder), "ports": ports, "sockets": descriptors}
        text |= {"programs": str(programs.api_server), "template": str(programs.template)}
        asked.write_text(json.dumps({**text, "controllers": str(programs.controllers)}))
        self._log = folder / "inside.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*_NAMESPACES, sys.executable, "-m", "tests.pods.inside", str(asked)],
                cwd=_PROJECT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                pass_fds=descriptors,
            )
        for each in sockets:
            each.close()
        self.mlflow = f"http://127.0.0.1:{ports[1]}"
        self.server = _Reached(folder / "api", ports[0], self._said("ready"))

    def close(self) -> None:
        """End everything in there."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def start_kserve(self) -> None:
        """Have KServe on the API server, from now on."""
        if not self._has_kserve:
            assert self._programs.kserve
            self._order("kserve", str(self._programs.kserve))
            self._has_kserve = True

    def add_image(self, name: str, python: Path, *command: str) -> None:
        """Have an environment stand for an image from now on; see ``images.add``."""
        image = {"name": name, "python": str(python), "command": command}
        self._order("image", json.dumps(image))

    def _order(self, order: str, value: str) -> None:
        assert self._process.stdin
        print(order, value, file=self._process.stdin, flush=True)
        self._said("done")

    def namespace(self, prefix: str = "lab") -> str:
        """Create a namespace with a name not used before; return it once pods can be made there."""
        name = self.server.namespace(prefix)
        path = f"/api/v1/namespaces/{name}/serviceaccounts"
        wait_for(lambda: self.server.call("GET", path)["items"], "a ServiceAccount")
        return name

    def kubeconfig(self, namespace: str) -> Path:
        """Write the administrator's kubeconfig with this namespace."""
        return self.server.kubeconfig(namespace=namespace)

    def ask(self, namespace: str, service: str, path: str, body: Any = None) -> Any:
        """Ask a Service through the API server's proxy; ``service`` may end in ``:PORT``.

        Raises urllib.error.HTTPError for an answer of 400 and above, also one of the program's.
        """
        proxy = f"/api/v1/namespaces/{namespace}/services/{service}/proxy"
        return self.server.call("GET" if body is None else "POST", f"{proxy}/{path}", body)

    def pods(self, namespace: str) -> list[Json]:
        """Return a namespace's pods."""
        found: list[Json] = self.server.call("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
        return found

    def logs(self, namespace: str) -> str:
        """Return the end of all that the namespace's containers printed, also of those gone."""
        files = sorted((self._folder / "logs" / namespace).glob("*/*.log"))
        texts = (file.read_text(errors="replace")[-3000:] for file in files)
        heads = (f"--- {file.parent.name} {file.name}" for file in files)
        return "\n".join(itertools.chain.from_iterable(zip(heads, texts, strict=True)))

    def wait(self, namespace: str, condition: Callable[[], T], what: str) -> T:
        """Return the first true value of ``condition``; a failure shows the namespace's logs."""
        try:
            return wait_for(condition, what, timeout=_PATIENCE)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.logs(namespace)}") from None

    def _said(self, word: str) -> str:
        """Return what comes after this word on the next line from inside."""
        assert self._process.stdout
        head, _, rest = self._process.stdout.readline().strip().partition(" ")
        if head != word:
            self.close()
            tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-30:])
            raise RuntimeError(f"the lab did not come up:\n{tail}")
        return rest


class _Reached(ApiServer):
    """The API server in there, from outside: nothing is started or stopped."""

    def __init__(self, folder: Path, port: int, token: str) -> None:
        self._folder, self._port, self.admin_token = folder, port, token
        self._numbers = itertools.count(1001)  # those inside count from 1, in the same folder
        self.tls = Tls(folder / "ca.crt", folder / "server.crt", folder / "server.key")

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """The lab ends it."""
