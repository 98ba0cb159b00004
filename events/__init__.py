"""What happened: the event catalogue, the log, its engine, and the chain subscription."""
