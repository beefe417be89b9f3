"""What speed is promised, and how it is measured."""
