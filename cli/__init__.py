"""The mu command."""
