"""Tags on model versions, read and written: apart from webhooks all that m2s writes to MLflow."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from m2s.base.errors import TagRefused
from m2s.base.labels import LIVE
from m2s.domain.versions import Served
from m2s.sources.mlflow import client as mlflow
from m2s.sources.mlflow import listing
from m2s.sources.mlflow.generations import Client
from m2s.sources.mlflow.server import Server

_DENIED = "PERMISSION_DENIED"
_REFUSED = (_DENIED, "INVALID_PARAMETER_VALUE", "BAD_REQUEST")
"""What is no fault of the registry's, and the same however often it is asked."""


class MlflowTagging:
    """The tags ``m2s.io/live/…`` of one registry's model versions.

    Every method may raise a RegistryError, in one line; its subclass TagRefused when the registry
    answers and refuses this one tag.
    """

    def __init__(self, server: Server, client: Client) -> None:
        self._server, self._client = server, client

    def read(self, key: str) -> dict[Served, Mapping[str, str]]:
        """Return each version that has the tag ``key``, with all of its ``m2s.io/live/`` tags."""
        found = listing.tagged_versions(self._server, self._client, key)
        return {
            Served(each.name, str(each.version)): {
                tag: value for tag, value in each.tags.items() if tag.startswith(LIVE)
            }
            for each in found
        }

    def set(self, version: Served, key: str, value: str) -> None:
        """Set a tag; a version that is not there (any more) has none, which is no error."""
        with self._writing(f"set the tag {key} of {version}", version):
            self._client.set_model_version_tag(version.model, version.version, key, value)

    def delete(self, version: Served, key: str) -> None:
        """Delete a tag; one that is gone already is no error."""
        with self._writing(f"delete the tag {key} of {version}", version):
            self._client.delete_model_version_tag(version.model, version.version, key)

    @contextmanager
    def _writing(self, doing: str, version: Served) -> Iterator[None]:
        with self._server.asking(doing):
            try:
                yield
            except mlflow.MlflowException as error:
                if mlflow.is_absent(error):
                    return
                if error.error_code in _REFUSED:
                    raise self._refusal(doing, version, error) from error
                raise

    def _refusal(self, doing: str, version: Served, error: mlflow.MlflowException) -> TagRefused:
        if error.error_code != _DENIED:
            return TagRefused(str(self._server.error(doing, error)))
        return TagRefused(
            f"MLflow at {self._server.identity}: cannot {doing}: permission denied (403): "
            f"--write-back wants MANAGE on the registered model {version.model!r} (EDIT lets it "
            "set tags, not delete them)"
        )
