"""These tests need PyTorch, an extra of 5 GB: `make test-bench` installs it and runs them."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]
