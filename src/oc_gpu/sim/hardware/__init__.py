"""What containers print and whether they work, derived from facts of node and cluster."""
