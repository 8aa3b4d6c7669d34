"""Takes in the work that was accepted while the machine was off: docs/accepted.md."""
