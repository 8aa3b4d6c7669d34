"""The server of voices of one's own, in seed 002's words: designed, and cloned in batches. :8000."""
