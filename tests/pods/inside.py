"""The program inside the lab's namespaces: the servers, the node, and relays from outside.

Its argument is a file with the JSON that lab.py writes. It says ``ready`` and the administrator's
token on its standard output, and takes orders from its standard input, whose end is its own: it is
the first process of a PID namespace, so that nothing outlives it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path

from tests.controllers.loops import ControlLoops
from tests.kserve.cluster import Kserve
from tests.pods import images
from tests.pods.network import Relay, make_bridge
from tests.pods.node import Node
from tests.servers import ApiServer, MlflowServer


def main() -> None:
    """Start everything, say so, and do as told until the orders end."""
    asked = json.loads(Path(sys.argv[1]).read_text())
    folder, ports = Path(asked["folder"]), asked["ports"]
    make_bridge()
    for descriptor, port in zip(asked["sockets"], ports, strict=True):
        Relay(socket.socket(fileno=descriptor), port)
    server = ApiServer(Path(asked["programs"]), _made(folder / "api"), port=ports[0])
    ControlLoops(Path(asked["controllers"]), server, _made(folder / "controllers"))
    MlflowServer(Path(asked["template"]), _made(folder / "mlflow"), port=ports[1])
    node = Node(server, folder, ports)
    threading.Thread(target=node.keep, args=(threading.Event(),), daemon=True).start()
    _say(f"ready {server.admin_token}")
    for line in sys.stdin:
        order, _, value = line.strip().partition(" ")
        if order == "kserve":
            Kserve(Path(value), server, _made(folder / "kserve"))
        elif order == "image":
            images.add(**json.loads(value))
        _say(f"done {order}")
    os._exit(0)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
