"""A look at a registry database before MLflow opens it.

MLflow's SQL store creates a SQLite file that is not there and migrates a database whose tables are
incomplete (``SqlAlchemyStore.__init__``): reading must do neither.
"""

import functools
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from m2s.base.errors import RegistryError
from m2s.sources.mlflow.server import Server
from m2s.sources.mlflow.trouble import install


def check(server: Server) -> None:
    """Raise a RegistryError for a database that is not of just the schema mlflow expects."""
    if not server.is_database:
        return
    require_mlflow(server)
    with server.asking("open the database"):
        _check_file(server)
        found, wanted = _revisions(server.uri)
    if found is None:
        raise RegistryError(f"{server.identity} is not an MLflow database: no schema version in it")
    if found != wanted:
        raise RegistryError(
            f"{server.identity} has MLflow's schema {found}, the installed mlflow wants {wanted}: "
            "run `mlflow db upgrade`, or install the MLflow version that the database belongs to"
        )


def require_mlflow(server: Server) -> None:
    """Raise a RegistryError if a database is to be opened and only mlflow-skinny is installed."""
    if server.is_database and any(find_spec(name) is None for name in ("sqlalchemy", "alembic")):
        raise RegistryError(
            f"{server.identity} is a database and needs the full mlflow: {install('local')}"
        )


def _check_file(server: Server) -> None:
    import sqlalchemy

    url = sqlalchemy.make_url(server.uri)
    if url.get_backend_name() != "sqlite":
        return
    if not url.database or url.database == ":memory:":
        raise RegistryError(f"{server.identity} names no file: sqlite:////absolute/path does")
    if not url.database.startswith("file:") and not Path(url.database).is_file():
        raise RegistryError(f"{server.identity}: there is no file {Path(url.database).absolute()}")


def _revisions(uri: str) -> tuple[str | None, str]:
    """Return the database's schema revision, None without one, and mlflow's."""
    import mlflow.store.db.utils
    import sqlalchemy

    utils: Any = mlflow.store.db.utils  # private, but the only word on what mlflow expects
    engine = sqlalchemy.create_engine(uri)
    try:
        return utils._get_schema_version(engine), _wanted()
    finally:
        engine.dispose()


@functools.cache
def _wanted() -> str:
    """Return the revision that the installed mlflow expects: it reads 70 migrations for it."""
    import mlflow.store.db.utils

    utils: Any = mlflow.store.db.utils
    return str(utils._get_latest_schema_revision())
