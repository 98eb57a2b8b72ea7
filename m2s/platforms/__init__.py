"""The serving platforms that m2s writes for."""
