"""The doors in numbers: the production supervisor and policy run on them unchanged, but much faster."""
