"""Seldon Core v1: all that m2s knows of SeldonDeployments."""
