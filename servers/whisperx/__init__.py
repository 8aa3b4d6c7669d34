"""The server that listens: :5001, at /… and at /whisperx/…"""
