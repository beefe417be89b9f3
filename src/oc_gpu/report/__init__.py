"""The only room that prints: text, JSON and YAML of what the other rooms found or did."""
