"""The server of voices of one's own, in seed 002's words: trained, cloned, designed. :8000."""
