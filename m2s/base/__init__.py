"""What every room may use: errors, names, labels, masking, strict YAML, worker threads."""
