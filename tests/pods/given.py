"""What a pod gives its containers: volumes as folders, variables, words with ``$(NAME)`` filled in.

What the lab does not do is :class:`Unable`, in words: a pod that asks for it never starts.
"""

from __future__ import annotations

import base64
import re
import urllib.error
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.pods.containers import Mount

Json = dict[str, Any]
Call = Callable[..., Any]
"""Sends a request as the node: method, path, body."""


class Unable(Exception):
    """Why a container cannot be started: what it names is missing, or the lab has no such thing."""


class Given:
    """The volumes and variables of one pod; ``folder`` is its own."""

    def __init__(self, pod: Json, call: Call, folder: Path) -> None:
        self._pod, self._call, self._folder = pod, call, folder
        self._namespace = f"/api/v1/namespaces/{pod['metadata']['namespace']}"

    def volumes(self) -> dict[str, Path]:
        """Write the pod's volumes; return each one's folder by its name."""
        made = {}
        for volume in self._pod["spec"].get("volumes", ()):
            target = self._folder / "volumes" / volume["name"]
            target.mkdir(parents=True, exist_ok=True)
            for name, content in self._volume(volume):
                file = target / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            made[volume["name"]] = target
        return made

    def mounts(self, container: Json, volumes: Mapping[str, Path]) -> list[Mount]:
        """Return where a container sees which volume."""
        found = []
        wanted = container.get("volumeMounts", ())
        for each in sorted(wanted, key=lambda mount: str(mount["mountPath"])):
            volume = next(v for v in self._pod["spec"]["volumes"] if v["name"] == each["name"])
            source = volumes[each["name"]] / each.get("subPath", "")
            if not source.exists():
                source.mkdir(parents=True)
            read_only = each.get("readOnly", False) or "emptyDir" not in volume
            path = each["mountPath"]
            found.append(Mount(source=str(source), path=path, read_only=read_only))
        return found

    def environment(self, container: Json, ip: str) -> dict[str, str]:
        """Return a container's own variables."""
        made: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            made |= self._all_of(source)
        for each in container.get("env", ()):
            if "valueFrom" in each:
                value = self._value_from(each["valueFrom"], ip)
                made |= {} if value is None else {each["name"]: value}
            else:
                made[each["name"]] = filled(each.get("value", ""), made)
        return made

    def _volume(self, volume: Json) -> Iterator[tuple[str, bytes]]:
        kind = next(key for key in volume if key != "name")
        if kind == "projected":
            for source in volume[kind]["sources"]:
                ((inner, asked),) = source.items()
                yield from self._source(inner, asked)
        elif kind != "emptyDir":
            yield from self._source(kind, volume[kind])

    def _source(self, kind: str, asked: Json) -> Iterator[tuple[str, bytes]]:
        if kind == "serviceAccountToken":
            yield asked["path"], self._token(asked).encode()
        elif kind == "downwardAPI":
            for item in asked["items"]:
                yield item["path"], (self._field(item["fieldRef"], "") or "").encode()
        elif kind in ("configMap", "secret"):
            name = asked.get("name") or asked["secretName"]
            content = self._content(kind, name, optional=asked.get("optional", False))
            items = asked.get("items") or [{"key": key, "path": key} for key in content]
            for item in items:
                yield item["path"], content[item["key"]]
        else:
            raise Unable(f"the lab has no volumes of the kind {kind}")

    def _token(self, asked: Json) -> str:
        metadata, spec = self._pod["metadata"], self._pod["spec"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"]}
        request: Json = {"boundObjectRef": {**bound, "uid": metadata["uid"]}}
        request["expirationSeconds"] = asked.get("expirationSeconds", 3600)
        request["audiences"] = [asked["audience"]] if "audience" in asked else []
        account = spec.get("serviceAccountName", "default")
        path = f"{self._namespace}/serviceaccounts/{account}/token"
        return str(self._call("POST", path, {"spec": request})["status"]["token"])

    def _content(self, kind: str, name: str, *, optional: bool) -> dict[str, bytes]:
        try:
            found = self._call("GET", f"{self._namespace}/{kind.lower()}s/{name}")
        except urllib.error.HTTPError as error:
            if error.code == 404 and optional:
                return {}
            raise Unable(f'{kind.lower()} "{name}" not found') from None
        if kind == "secret":
            return {key: base64.b64decode(value) for key, value in found.get("data", {}).items()}
        text = {key: value.encode() for key, value in found.get("data", {}).items()}
        binary = found.get("binaryData", {})
        return {**text, **{key: base64.b64decode(value) for key, value in binary.items()}}

    def _all_of(self, source: Json) -> dict[str, str]:
        kind = "configMap" if "configMapRef" in source else "secret"
        named = source[f"{kind}Ref"]
        content = self._content(kind, named["name"], optional=named.get("optional", False))
        prefix = source.get("prefix", "")
        return {f"{prefix}{key}": value.decode() for key, value in content.items()}

    def _value_from(self, source: Json, ip: str) -> str | None:
        if "fieldRef" in source:
            return self._field(source["fieldRef"], ip)
        kind = next((key for key in ("configMap", "secret") if f"{key}KeyRef" in source), None)
        if kind is None:
            raise Unable(f"the lab has no variables by {', '.join(source)}")
        named = source[f"{kind}KeyRef"]
        optional = named.get("optional", False)
        value = self._content(kind, named["name"], optional=optional).get(named["key"])
        if value is None and not optional:
            raise Unable(f"couldn't find key {named['key']} in {kind} {named['name']}")
        return value.decode() if value is not None else None

    def _field(self, named: Json, ip: str) -> str | None:
        path = named["fieldPath"]
        if path in ("status.podIP", "status.hostIP"):
            return ip
        if keyed := re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path):
            found = self._pod["metadata"].get(keyed[1], {}).get(keyed[2], "")
            return str(found)
        value: Any = self._pod
        for part in path.split("."):
            value = value.get(part)
        if isinstance(value, Mapping):
            return "\n".join(f'{key}="{text}"' for key, text in value.items())
        return None if value is None else str(value)


def filled(text: str, environment: Mapping[str, str]) -> str:
    """Return a text with ``$(NAME)`` replaced where there is such a variable; ``$$`` is ``$``."""

    def replaced(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return environment.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]+)\)", replaced, text)


def words(texts: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return a command line with its variables filled in."""
    return [filled(text, environment) for text in texts]
