"""Typed fields: columns of the items that are derived from their metadata, so that filters and facets need no JSON."""
