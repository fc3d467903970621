"""Filters: a JSON grammar over typed fields, and the rows that match; facet counts."""
