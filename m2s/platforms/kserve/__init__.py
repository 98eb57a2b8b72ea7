"""KServe: all that m2s knows of InferenceServices."""
