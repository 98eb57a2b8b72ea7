"""Where the helm of the chart's tests comes from."""
