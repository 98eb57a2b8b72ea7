"""The settings of a process that runs for long: read at the start, and again when they change."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m2s.base.errors import UsageError
from m2s.cli.choosing import chosen_by
from m2s.settings import config_file
from m2s.settings.groups import Settings

_FIXED = ("listen", "webhook-secret-file", "log-format", "leader-elect", "workspace")
_ELECTED = ("lease", "namespace", "target", "kubeconfig", "context")


class Source:
    """Flags, the environment and m2s.yaml, of which the last can change.

    What was read is told from what is there by its content: a mounted ConfigMap is replaced by
    turning a symbolic link, which leaves most times and sizes alone.
    """

    def __init__(self, flags: Mapping[str, Any], config: str | None) -> None:
        self._flags, self._config = flags, config
        self._path = Path(config or config_file.DEFAULT_CONFIG)
        self._known = self._digest()

    def read(self) -> Settings:
        """Return the settings as they are now; raises UsageError as :func:`settings.build`."""
        self._known = self._digest()
        return chosen_by(self._flags, self._config)

    def read_again(self, old: Settings) -> Settings:
        """Return the settings as they are now, where a running process can take them over."""
        new = self.read()
        if not new.selectors:
            raise UsageError(f"{self._path}: neither stage nor alias is given")
        for name in (*_FIXED, *(_ELECTED if old.leader_elect else ())):
            field = name.replace("-", "_")
            if getattr(old, field) != getattr(new, field):
                raise UsageError(f"{self._path}: {name} changed: restart m2s to change it")
        return new

    def changed(self) -> bool:
        """Whether m2s.yaml has another content than when it was last read or asked about."""
        now = self._digest()
        changed, self._known = now != self._known, now
        return changed

    def _digest(self) -> str:
        try:
            return hashlib.sha256(self._path.read_bytes()).hexdigest()
        except OSError:
            return ""
