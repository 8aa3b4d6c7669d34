"""Skylark: one GPU as a speech appliance. Each sub-package is one process or one layer below it."""

from pathlib import Path

__version__ = "0.1.0"
ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds config/ and this package: relative paths of the settings start there."""
