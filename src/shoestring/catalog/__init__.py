"""Prices and hardware, dated: embedded tables, overlaid by what the user knows better."""
