"""A recursive caching resolver: walks from the root hints to whoever has the answer, and remembers it."""
