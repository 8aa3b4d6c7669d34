"""What was spoken, kept for whoever asks for the very same again."""
