"""Backends run models: one file for each family, and its name is the backend's name in models.yaml."""
