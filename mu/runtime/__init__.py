"""The runtime: runs WebAssembly functions under limits, and says how each call ended and what it used."""
