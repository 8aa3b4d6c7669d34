"""ElevenLabs' text-to-speech API at /v1, over WebSocket and HTTP, for clients whose URL is changed."""

from __future__ import annotations

from servers.elevenlabs import speech, stream_input

BLUEPRINTS = (stream_input.bp, speech.bp)
