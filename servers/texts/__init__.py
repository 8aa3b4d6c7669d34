"""Work on texts that needs no GPU: its HTTP endpoints, and the processes that do it."""
