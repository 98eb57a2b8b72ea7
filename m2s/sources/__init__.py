"""Where versions and templates come from."""
