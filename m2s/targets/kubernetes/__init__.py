"""A Kubernetes namespace. The only room that imports the kubernetes client."""
