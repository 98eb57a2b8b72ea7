"""Plain Kubernetes: an apps/v1 Deployment, and the Service in front of it."""
