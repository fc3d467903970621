"""One script a bar: each prints our figure beside the reference of the same run, and the machine."""
