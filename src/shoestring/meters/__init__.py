"""What a job uses: process tree, GPUs, energy. One sampler per node; a missing sensor is None, never 0."""
