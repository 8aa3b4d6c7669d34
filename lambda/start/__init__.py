"""The Lambda that starts the machine, and tells how it is; it keeps at it until it is ready or given up."""
