"""A release: a new image beside the one that serves, and the clients led to it once it speaks."""
