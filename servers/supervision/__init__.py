"""The processes of the appliance, and supervisord, which starts, watches and stops them."""

LOCK = "up.lock"
"""Held in the data_dir by `skylark up` for as long as it lives."""
