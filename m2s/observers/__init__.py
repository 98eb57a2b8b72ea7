"""Report each pass of `m2s watch`: in logs, metrics, Events, on the page, in MLflow's tags."""
