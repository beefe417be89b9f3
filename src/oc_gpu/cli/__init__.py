"""The command line: parse, call, hand to report. Nothing is decided here."""
