"""The MLflow registry: a complete answer, or an error. The only room that imports mlflow."""
