"""Optimizers by name. A problem may add its own (`Problem.optimizers`)."""

from __future__ import annotations

BUILTIN = {"ga": "evo.optimizers.ga:GeneticAlgorithm"}
"""Name in `optimizer.type` -> ``module:Class``."""
