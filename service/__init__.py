"""The HTTP API over published collections."""
