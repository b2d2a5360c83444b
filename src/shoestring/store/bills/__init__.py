"""Bills: other people's files about what was spent, read into the charge store. One file per family."""
