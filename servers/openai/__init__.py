"""OpenAI's audio API at /v1, the same on the server that speaks and on the one that listens."""

from __future__ import annotations

from servers.openai import listings, speech, transcriptions

BLUEPRINTS = (speech.bp, transcriptions.bp, listings.bp)
