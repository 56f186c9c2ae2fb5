"""One small module per layout; each reads a `Tree` and gives what it `Found`."""
