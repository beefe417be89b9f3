"""What is known of one cluster at one moment: immutable, and aware of what could not be read."""
