"""Kubernetes objects as JSON: bodies, differences, layers, checksums, YAML."""
