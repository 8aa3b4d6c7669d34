"""The parts of the pocketsphinx backend: its decoders, and pronunciations for words it does not know."""
