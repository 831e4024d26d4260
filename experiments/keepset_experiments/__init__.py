"""Full training against pruned training, fairly: every sample comes through a real sampler process."""
