"""What an operator runs and watches: processes, logs, metrics, traces, upkeep."""
