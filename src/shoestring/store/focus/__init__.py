"""FOCUS: the names and rules of the FinOps Open Cost and Usage Specification, at the door."""
