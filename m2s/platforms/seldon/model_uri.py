"""Where a SeldonDeployment names its model."""

from __future__ import annotations
