"""The real KServe controller with its webhooks, on an API server of its own."""
