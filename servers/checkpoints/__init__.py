"""Checkpoints: the weights of models, each in a folder of its own, by default in `models_dir`.

catalogue.py says which can be pulled, sources/ has the places that they come from, pull.py puts them into
their folders with a manifest, and verify.py holds them against it. What a backend asks is here, and cheap
to import.
"""

from servers.checkpoints.folders import folder_of, locate, mend

__all__ = ["folder_of", "locate", "mend"]
