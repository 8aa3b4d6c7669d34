"""One file for each version, numbered; Alembic loads them by their path."""
