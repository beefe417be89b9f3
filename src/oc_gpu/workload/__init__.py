"""A user's program on a GPU of the cluster: a Job, its files, its log, its exit code."""
