"""shoestring: train the same model for a fraction of the bill, and prove it.

The public faces are the command line (``shoestring --help``), the library calls behind each verb
(:mod:`shoestring.workflows`) and what a training script imports (:mod:`shoestring.training`).
This module imports nothing else, so that ``import shoestring`` stays instant.
"""

__version__ = "0.1.0"
