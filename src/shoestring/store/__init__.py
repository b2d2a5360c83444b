"""What is remembered: the journal (SQL, or in memory) and small records beside it.

Nothing is imported here: the simulator's :mod:`~shoestring.store.memory` must not pay for SQLAlchemy.
"""
