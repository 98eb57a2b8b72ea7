"""The templates edge: a folder that the platform team owns, read completely or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from m2s.base.errors import TemplatesError, UsageError
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import TemplateFile, Templates
from m2s.domain.versions import Whereabouts

BASE = "_base.yaml"
"""The base template's name where it lies in the folder; no other file that starts with ``_`` is
read."""
MAX_SIZE = 1024 * 1024
"""Bytes of one file; etcd takes no larger an object."""


class TemplateFolder:
    """A folder of templates (None for a base template alone), and the path of the base template.

    None as ``base`` takes ``_base.yaml`` of the folder, if it is there.
    """

    def __init__(self, folder: str | None, base: str | None = None) -> None:
        self._folder, self._base = folder, base
        self._last: Templates | None = None

    def read(self) -> Templates:
        """Return what is there now.

        Raises:
            TemplatesError: something that is there cannot be read.
            UsageError: the base template is not there.
        """
        self._last = self._read()
        return self._last

    def look(self, live: LiveDeployment) -> Whereabouts:
        """Look a second time, before what was made from a template is deleted; as :meth:`read`."""
        if self._folder is None:
            return Whereabouts(True, "no --templates is given")
        if self._last is None or self._read() != self._last:
            return Whereabouts(True, f"the templates in {self._folder} changed meanwhile")
        names = {file.name for file in self._last.files}
        became = "describes another now" if live.template in names else "is gone"
        return Whereabouts(False, f"its template {live.template} {became}")

    def _read(self) -> Templates:
        if self._base and not Path(self._base).exists():
            raise UsageError(f"--base-template {self._base}: no such file")
        named = self._text(Path(self._base), self._base) if self._base else None
        if self._folder is None:
            return Templates("", (), named)
        with _naming(self._folder):
            root = _real_folder(Path(self._folder))
            names = sorted(_names(root)) if root.is_dir() else []
        if not root.is_dir():
            if root.exists():
                why = "not a folder; --templates wants a folder of templates"
                raise TemplatesError(f"{self._folder}: {why}")
            return Templates(self._folder, (), named, missing=True)
        if named is None and BASE in names:
            named = self._text(root / BASE, f"{self._folder}/{BASE}")
        own = [name for name in names if name != BASE]
        files = tuple(self._text(root / name, f"{self._folder}/{name}") for name in own)
        return Templates(self._folder, files, named)

    def _text(self, path: Path, origin: str) -> TemplateFile:
        with _naming(origin):
            content = path.read_bytes()
        if len(content) > MAX_SIZE:
            raise TemplatesError(f"{origin}: {len(content):,} bytes; {MAX_SIZE:,} are the limit")
        try:
            return TemplateFile(path.name, origin, content.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise TemplatesError(f"{origin}:{line}: not UTF-8 text; save it as UTF-8") from error


def _real_folder(folder: Path) -> Path:
    """Return the real folder of the files, so that all of them are read in one state.

    With git-sync, ``folder`` is a link, and git-sync points it to the next checkout. In a volume
    of a ConfigMap, each file is a link through ``..data``, and the kubelet points ``..data`` to the
    next state (Kubernetes, pkg/volume/util/atomic_writer.go).
    """
    data = folder / "..data"
    return (data if data.is_dir() else folder).resolve()


def _names(root: Path) -> Iterator[str]:
    for path in root.iterdir():
        mine = path.name == BASE or not path.name.startswith(("_", "."))
        if mine and path.suffix in (".yaml", ".yml") and not path.is_dir():
            yield path.name


@contextmanager
def _naming(origin: str) -> Iterator[None]:
    """Turn what the operating system says into a TemplatesError that names the file."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # RuntimeError: symbolic links in a circle
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise TemplatesError(f"{origin}: {reason}: correct --templates or the file") from error
