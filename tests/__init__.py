"""The tests: behaviour that a user could notice, on real servers."""
