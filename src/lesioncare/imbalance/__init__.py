"""Imbalance: which classes are rare, and what can be done about it."""

from lesioncare.imbalance.adjustment import adjust_logits
from lesioncare.imbalance.rarity import rare_classes

__all__ = ["adjust_logits", "rare_classes"]
