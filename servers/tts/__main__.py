"""Serves it: python -m servers.tts."""

from servers.web.serve import serve_door

serve_door("servers.tts.app:create_app()", lambda settings: settings.tts)
