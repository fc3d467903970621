"""A collection as it is now: its snapshot, less what died since, and the rows written since, compared one by one."""
