"""The streaming worker: text in and audio out over gRPC, in sessions that outlive a connection."""
