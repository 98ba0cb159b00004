"""The `mu` command: one module a group of commands."""
