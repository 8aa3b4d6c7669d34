"""Checkpoints: the weights of models, each in a folder of its own, by default in `models_dir`.

catalogue.py says which can be pulled, entries.py what is known of one; sources/ are the places.
from_any.py asks one after the other, pull.py puts what comes into a folder with a manifest, and verify.py
holds it against that. What a backend asks is here, and cheap to import.
"""

from servers.checkpoints.folders import folder_of, locate, mend

__all__ = ["folder_of", "locate", "mend"]
