"""Optimizers by name. A problem may add its own (`Problem.optimizers`)."""

from __future__ import annotations

BUILTIN = {
    "ga": "evo.optimizers.ga:GeneticAlgorithm",
    "cma-es": "evo.optimizers.cma_es:CMAES",
    "sep-cma-es": "evo.optimizers.cma_es:SeparableCMAES",
}
"""Name in `optimizer.type` -> ``module:Class``."""
