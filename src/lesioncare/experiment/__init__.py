"""Experiments: runs that are made to be compared."""

from lesioncare.experiment.pair import train_pair

__all__ = ["train_pair"]
