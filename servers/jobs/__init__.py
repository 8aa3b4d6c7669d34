"""The durable queue: what a job is, where jobs and their results are kept, and the client that doors use."""
