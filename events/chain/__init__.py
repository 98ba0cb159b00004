"""The chain subscription: from the program's log lines to entries in the log, none missed, none twice."""
