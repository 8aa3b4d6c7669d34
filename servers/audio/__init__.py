"""Samples and audio files: reading, writing, resampling. Pure transformations; no model library."""
