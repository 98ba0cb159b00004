"""The Marketplace on Solana: the program, its interface description, and the Python client."""
