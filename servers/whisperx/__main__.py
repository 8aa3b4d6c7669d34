"""Serves it: python -m servers.whisperx."""

from servers.web.serve import serve_door

serve_door("servers.whisperx.app:create_app()", lambda settings: settings.whisperx)
