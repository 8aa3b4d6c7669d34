"""The engine: the only owner of the GPU and of the queue. Its HTTP API on a Unix socket is the way in."""
