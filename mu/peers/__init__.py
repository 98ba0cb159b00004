"""How the nodes of a region speak to each other."""
