"""The one exception of this room; it never leaves it."""


class Problem(Exception):
    """Why a description yields no manifest: one line, which becomes an Undeployable's reason."""
