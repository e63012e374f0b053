"""Heads: features to maps, maps to losses."""

from aemm.models.heads.ae_head import AEHead
from aemm.models.heads.higher_head import HigherHead

__all__ = ["AEHead", "HigherHead"]
