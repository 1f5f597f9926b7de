"""evo: an evolutionary optimization engine whose runs survive anything."""
