"""What is told of each pass of `m2s watch`: logs, metrics, Events, the page, tags in MLflow."""
