"""What a node does about the projections: gateway, runtime, local chain, and the node itself."""
