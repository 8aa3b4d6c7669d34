"""The page on which people speak, listen and align, and the proxy that keeps the key for it."""
