"""Templates of the platform team: YAML with placeholders that m2s fills in."""
