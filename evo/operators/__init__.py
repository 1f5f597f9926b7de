"""Genetic operators: plain functions over batches of genomes; all randomness comes from the generator given."""
