"""A folder that gets all of a model, or nothing.

Files are staged beside the folder, which is renamed at once. A mounted volume cannot be renamed:
there they are staged inside and moved, ``MLmodel`` and the mark last. The mark says what a folder
was given, so that a container that starts again goes on.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from m2s.base.errors import M2sError

MARK, STAGE = ".m2s-fetched", ".m2s-fetch"
Sizes = Mapping[str, int | None]
"""The bytes of each file by its path in the folder, None where they are not told."""
_EMPTY = "give another folder, or empty this one"


def mark(stage: Path, source: str, files: Sizes) -> None:
    """Say in a folder that it has all of a model."""
    (stage / MARK).write_text(json.dumps([source, files]), encoding="utf-8")


def held(folder: Path) -> tuple[str, Sizes] | None:
    """Return where the model in a folder is from and its files, None for an empty folder.

    If its moving was cut short, it is moved to its end. M2sError: there is something else.
    """
    moving = _read(folder / STAGE)
    if moving and _entries(folder) <= {path.partition("/")[0] for path in moving[1]}:
        _move(folder)
    found, there = _read(folder), sorted(_entries(folder))
    if there and not found:
        shown = ", ".join(there[:3])
        raise M2sError(f"{folder} has something in it that is not from m2s ({shown}): {_EMPTY}")
    return found


def check(folder: Path, source: str, files: Sizes) -> bool:
    """Whether a folder has just this model; M2sError: it has another one, or no longer all of it.

    A file that was added since is not looked at.
    """
    found = held(folder)
    if not found:
        return False
    sizes = {path: found[1].get(path) if size is None else size for path, size in files.items()}
    if found != (source, sizes):
        raise M2sError(f"{folder} has another model in it, from {found[0]}: {_EMPTY}")
    paths = [(folder / path, size) for path, size in sizes.items()]
    if not all(path.is_file() and path.stat().st_size == size for path, size in paths):
        raise M2sError(f"{folder} has lost files of its model: {_EMPTY}")
    return True


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yield an empty folder; what is in it after the block is put into place, if nothing is raised.

    What a killed fetch left is removed. M2sError: another one is under way.
    """
    inside, beside = folder / STAGE, folder.with_name(f".{folder.name}{STAGE}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in (inside, beside):
        if left.exists():
            os.close(_lock(left))
            shutil.rmtree(left)
    stage = inside if folder.exists() else beside
    stage.mkdir()
    if stage == inside and len(list(folder.iterdir())) == 1:
        with suppress(OSError):  # EXDEV where it is a mount, even one of the same file system
            shutil.copymode(folder, inside)
            stage = inside.rename(beside)
    lock = _lock(stage)
    try:
        yield stage
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    else:
        if stage == inside:
            _move(folder)
        else:
            beside.rename(folder)
    finally:
        os.close(lock)


def _move(folder: Path) -> None:
    def late(path: Path) -> tuple[bool, bool]:
        return path.name in ("MLmodel", MARK), path.name == MARK

    for path in sorted((folder / STAGE).iterdir(), key=late):
        path.rename(folder / path.name)
    (folder / STAGE).rmdir()


def _entries(folder: Path) -> set[str]:
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    return names - {STAGE, MARK, "lost+found"}  # which every new ext4 volume has


def _read(folder: Path) -> tuple[str, Sizes] | None:
    try:
        source, files = json.loads((folder / MARK).read_text(encoding="utf-8"))
        return str(source), dict(files)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise M2sError(f"{folder / MARK} is damaged: {_EMPTY}") from error


def _lock(stage: Path) -> int:
    """Hold a folder until what is returned is closed, or the process ends, however it does."""
    lock = os.open(stage, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise M2sError(f"another m2s fetch is at work in {stage}: wait for its end") from error
    except OSError:  # a network's file system may have no locks
        return lock
    return lock
