"""The Lambda that takes work in while the machine is off, and says what became of it."""
