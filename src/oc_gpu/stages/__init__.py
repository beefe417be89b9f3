"""The road: one module per stage, each a pure function from what is known to what is due."""
