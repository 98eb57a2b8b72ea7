"""Where deployments are written: a Kubernetes namespace or a folder."""
