"""The HTTP entrance of a region: finds the function behind a request and has it answer."""
