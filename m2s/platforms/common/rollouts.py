"""How far an apps/v1 Deployment has come, as kubectl tells it."""

from __future__ import annotations
