"""The parts of the whisperx backend."""
