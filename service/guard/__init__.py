"""Who may ask, for what and how much; and what is refused before it costs anything."""
