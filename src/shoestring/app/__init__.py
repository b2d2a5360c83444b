"""The roof: wiring, configuration and the command line."""
