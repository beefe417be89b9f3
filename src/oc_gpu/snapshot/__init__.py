"""What is known of one cluster at one moment: immutable, indexed, aware of what could not be read."""
