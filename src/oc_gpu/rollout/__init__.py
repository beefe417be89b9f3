"""The only room that writes to a cluster: live view, runner, record of what was made, undo."""
