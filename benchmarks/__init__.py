"""What mu costs, beside a named peer in the same run: `python -m benchmarks [NAME ...]`. Nothing is asserted."""
