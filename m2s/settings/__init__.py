"""Options from flags, variables and m2s.yaml become one Settings."""
