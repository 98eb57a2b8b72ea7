"""MLflow's process-wide switches, set before mlflow is imported.

MLflow takes its timeouts, retries and chatter from environment variables and reads most of them at
every request. What the user has set stays; the rest gets defaults that suit a command line tool: a
dead server is reported in seconds, and nothing but m2s writes to the terminal.
"""

import logging
import math
import os
import warnings

TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
WORKSPACE = "MLFLOW_WORKSPACE"
_DEFAULTS = {
    # MLflow's own, 7 retries with a factor of 2, take four minutes to give up a dead server.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Else each download first asks /server-info whether to fetch in parts; ours are below 1 MiB.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    # Else mlflow warns where git is not installed.
    "GIT_PYTHON_REFRESH": "quiet",
}
_CREDENTIALS = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
_set_here: set[str] = set()


def prepare() -> None:
    """Set what the user has not set, and keep the libraries' warnings off the terminal.

    Credentials lose the line end that a file with one has, and no HTTP header can.
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    for name in _CREDENTIALS:
        if name in os.environ:
            given = os.environ[name]
            trimmed = given.strip() if name.endswith("TOKEN") else given.strip("\r\n")
            if trimmed != given:
                os.environ[name] = trimmed
    warnings.filterwarnings("ignore", message=r"``?mlflow", category=FutureWarning)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it announces every retry


def set_timeout(seconds: float) -> None:
    """Limit every MLflow request, rounded up to whole seconds; the user's own variable wins."""
    if TIMEOUT not in os.environ or TIMEOUT in _set_here:
        _set_here.add(TIMEOUT)
        os.environ[TIMEOUT] = str(max(1, math.ceil(seconds)))


def set_workspace(name: str) -> None:
    """Have every MLflow request of this process name a workspace, as a header."""
    os.environ[WORKSPACE] = name
