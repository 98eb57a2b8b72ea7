"""Azurite, Azure Blob Storage's emulator: its pinned npm package, and how it is found."""
