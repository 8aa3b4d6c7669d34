"""The server that speaks: :5000, at /… and at /tts/…"""
