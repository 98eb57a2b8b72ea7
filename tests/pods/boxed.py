"""What a container is started by: it gets a root of its own, and becomes the program.

The root is made of the machine's folders. Run by itself, with nothing but Python's standard
library, in fresh mount, UTS and PID namespaces whose user counts as root; its argument is a file
with the JSON that containers.py writes.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path
from typing import Any

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC = 1, 2, 4, 4096, 16384
_AT_FDCWD, _AT_RECURSIVE, _ATTR_RDONLY = -100, 0x8000, 1
_MOUNT_SETATTR = 442
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_KEPT = ("ssl", "pki", "ca-certificates", "alternatives", "ld.so.cache", "ld.so.conf", "localtime")
_C = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Make the root, go there, and become the program."""
    asked = json.loads(Path(sys.argv[1]).read_text())
    _box(asked)
    os.chdir(asked["folder"])
    argv, environment = asked["argv"], asked["environment"]
    try:
        os.execvpe(argv[0], argv, environment)  # noqa: S606 - without a shell
    except OSError as error:
        sys.exit(f"exec {argv[0]}: {error.strerror}")


def _box(asked: dict[str, Any]) -> None:
    root = Path(asked["root"])
    _mount("tmpfs", root, "tmpfs", _MS_NOSUID | _MS_NODEV)
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr"):
        _take(Path("/", name), root / name)
    for path in asked["folders"]:
        _take(Path(path), root / path.lstrip("/"))
    _devices(root / "dev")
    _settings(root / "etc", asked)
    (root / "tmp").mkdir(mode=0o1777, exist_ok=True)
    for volume in asked["volumes"]:
        target = root / volume["path"].lstrip("/")
        _bind(Path(volume["source"]), target, read_only=volume["read_only"])
    (root / "proc").mkdir()
    _mount("proc", root / "proc", "proc", _MS_NOSUID | _MS_NODEV)
    Path(root, asked["folder"].lstrip("/")).mkdir(parents=True, exist_ok=True)
    if asked["read_only"]:
        _freeze(root, 0)
    _C.sethostname(asked["name"].encode(), len(asked["name"]))
    os.chroot(root)


def _take(source: Path, target: Path) -> None:
    """Have a folder of the machine at the same place, for reading."""
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.exists() and not target.exists():
        _bind(source, target, read_only=True)


def _devices(folder: Path) -> None:
    folder.mkdir()
    for name in _DEVICES:
        _bind(Path("/dev", name), folder / name)
    (folder / "shm").mkdir()
    _mount("tmpfs", folder / "shm", "tmpfs", _MS_NOSUID | _MS_NODEV)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (folder / name).symlink_to(f"/proc/self/fd/{number}")
    (folder / "fd").symlink_to("/proc/self/fd")


def _settings(folder: Path, asked: dict[str, Any]) -> None:
    folder.mkdir()
    for name in _KEPT:
        _take(Path("/etc", name), folder / name)
    (folder / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (folder / "group").write_text("root:x:0:\n")
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{asked['ip']} {asked['name']}\n")
    (folder / "resolv.conf").write_text("")
    (folder / "nsswitch.conf").write_text("passwd: files\nhosts: files\n")


def _bind(source: Path, target: Path, *, read_only: bool = False) -> None:
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount(str(source), target, "", _MS_BIND | _MS_REC)
    if read_only:
        _freeze(target, _AT_RECURSIVE)


def _mount(source: str, target: Path, kind: str, flags: int) -> None:
    if _C.mount(source.encode(), bytes(target), kind.encode(), flags, None) != 0:
        raise OSError(ctypes.get_errno(), f"mount {source} on {target}")


def _freeze(target: Path, flags: int) -> None:
    """Make a mount read-only; all else about it, which may be locked, stays as it is."""
    attributes = (ctypes.c_uint64 * 4)(_ATTR_RDONLY, 0, 0, 0)
    size = ctypes.sizeof(attributes)
    arguments = (_AT_FDCWD, bytes(target), flags, ctypes.byref(attributes), ctypes.c_size_t(size))
    if _C.syscall(ctypes.c_long(_MOUNT_SETATTR), *arguments) != 0:
        raise OSError(ctypes.get_errno(), f"mount_setattr {target}")


if __name__ == "__main__":
    main()
