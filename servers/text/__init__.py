"""Words and sentences: what a text says and how it is spoken. Pure transformations; no model library."""
