"""What can go wrong, as m2s says it.

::

    M2sError                    exit 1   anything m2s reports in one line
    ├── UsageError              exit 64  the command line, the environment or m2s.yaml is wrong, or
    │                                names a file that is not there
    ├── RegistryError           exit 1   MLflow could not be read completely
    │   ├── Withheld                     it answered, and does not give one model or version
    │   └── TagRefused                   it answered, and does not take one tag (--write-back)
    ├── ClusterError            exit 1   the cluster could not be read, or could not be asked
    │   ├── ClusterUnavailable           it did not answer: later requests would fare no better
    │   └── Rejected                     it answered, and refuses this one object
    │       └── Conflict                 because another field manager owns what would be written,
    │                                    or the object moved since it was read
    ├── TemplatesError          exit 1   a template cannot be read, so nothing may be concluded
    ├── PlanFileError           exit 1   a saved plan could not be read or written
    └── Refused                 exit 3   a safety check said no; nothing was written

Each message is one line that names the object, the field and the remedy. Client libraries' own
exceptions never leave the edge that imports the library: they are chained with ``from``.
"""


class M2sError(Exception):
    """Base of everything m2s reports; ``exit_code`` is the process's exit code."""

    exit_code = 1


class UsageError(M2sError):
    """Wrong usage: a flag, a variable or a key of m2s.yaml."""

    exit_code = 64  # EX_USAGE of sysexits.h; click's own 2 would read as "changes pending" in CI


class RegistryError(M2sError):
    """The registry could not be read completely, so nothing may be concluded from it."""


class Withheld(RegistryError):
    """The registry answers, and does not give this one model; others are not concerned."""


class TagRefused(RegistryError):
    """The registry does not take a tag, or may not be asked to; others are not concerned."""


class ClusterError(M2sError):
    """The cluster could not be read or asked: credentials, permission, no CRD or namespace."""


class ClusterUnavailable(ClusterError):
    """The cluster did not answer (refused, timed out, overloaded) after the bounded retries."""


class Rejected(ClusterError):
    """The cluster refuses this one object; the others are not concerned."""


class Conflict(Rejected):
    """Another field manager owns a field that would be written, or the object moved meanwhile."""


class TemplatesError(M2sError):
    """The templates folder could not be read completely."""


class PlanFileError(M2sError):
    """A saved plan is unreadable, of another format version, or cannot be written."""


class Refused(M2sError):
    """A safety check refused the plan; nothing was written."""

    exit_code = 3


def told(error: M2sError) -> str:
    """Return an error's line; where a side could not be read, it says what to run next."""
    line, side = str(error), isinstance(error, RegistryError | ClusterError)
    asks = line.endswith("?") or isinstance(error, Rejected)  # a remedy is there already
    return f"{line}; run `m2s check` to see what works" if side and not asks else line
