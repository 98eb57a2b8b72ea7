"""Make a Kubernetes cluster serve what an MLflow Model Registry says it should."""

__version__ = "0.1.0"
