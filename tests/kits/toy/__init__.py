"""A whole serving platform, as small as one can be; docs/extending.md explains it line by line."""
