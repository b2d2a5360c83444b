"""Doors to experiment trackers; each library is loaded only when its tracker is asked for."""
