"""Serves it: python -m servers.finetune."""

from servers.web.serve import serve_door

serve_door("servers.finetune.app:create_app()", lambda settings: settings.finetune)
