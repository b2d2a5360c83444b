"""Live prices: one small file for each provider; every answer is bounded, checked, and refused whole on a doubt."""
