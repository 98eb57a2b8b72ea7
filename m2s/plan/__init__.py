"""Pure: manifests against live objects become a Plan."""
