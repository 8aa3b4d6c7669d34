"""The parts of the backend qwen3_tts. Most need torch and are imported when a model is loaded."""
