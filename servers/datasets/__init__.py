"""Data sets that a voice is fine-tuned with: what is in one, and what of it can be used."""
