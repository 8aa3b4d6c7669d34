"""Skylark: one GPU as a speech appliance. Each sub-package is one process or one layer below it."""

__version__ = "0.1.0"
