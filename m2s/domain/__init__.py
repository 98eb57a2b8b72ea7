"""Frozen dataclasses: model versions, manifests, deployments, and what m2s knows of them."""
