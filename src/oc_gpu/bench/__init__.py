"""CPU against GPU: the workloads, the statistics, and where the GPU begins to win."""
