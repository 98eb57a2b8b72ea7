"""A folder of manifests, one file a deployment."""
