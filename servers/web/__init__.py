"""What every Flask server shares: the app factory, keys, CORS, limits, errors, request ids, metrics, logs."""
