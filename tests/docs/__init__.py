"""README.md and docs/: what stands in them is so."""
