"""Piper's voices: where they lie, what they can read, and who is meant."""
