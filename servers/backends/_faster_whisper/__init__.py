"""What of the backend faster_whisper is not shared with whisperx: see `_whisper`.

front     voice activity detection and spectrograms without torch
loading   the folder to a model
"""
