"""A cluster whose pods run, on Linux, without root and without containers: see lab.py."""
