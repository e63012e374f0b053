"""Heads: features to maps, maps to losses."""

from aemm.models.heads.ae_head import AEHead

__all__ = ["AEHead"]
