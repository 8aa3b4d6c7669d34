"""The engine's HTTP API, one blueprint a file: what is asked for is parsed here, and done by the service."""
