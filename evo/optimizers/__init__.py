"""Optimizers by name. A problem may add its own (`Problem.optimizers`)."""

from __future__ import annotations

BUILTIN = {
    "auto": "evo.optimizers.auto:Auto",
    "ga": "evo.optimizers.ga:GeneticAlgorithm",
    "cma-es": "evo.optimizers.cma_es:CMAES",
    "de": "evo.optimizers.de:DifferentialEvolution",
    "es": "evo.optimizers.es:EvolutionStrategy",
    "nsga2": "evo.optimizers.nsga2:NSGA2",
    "l-shade": "evo.optimizers.l_shade:LSHADE",
    "pso": "evo.optimizers.pso:ParticleSwarm",
    "sep-cma-es": "evo.optimizers.cma_es:SeparableCMAES",
}
"""Name in `optimizer.type` -> ``module:Class``."""
