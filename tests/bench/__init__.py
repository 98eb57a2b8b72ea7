"""What m2s costs, side by side with what others cost on the same machine: ``make bench``."""
