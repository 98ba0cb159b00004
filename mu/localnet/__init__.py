"""A local chain: Solana's JSON-RPC and PubSub over LiteSVM, journalled so that it survives a crash.

Differences from a cluster: one execution state (a preflight at an older commitment sees the newest accounts),
no forks, no rent rules, no durable nonces, no address lookup tables, no priority fees. Every slot counts in the block
height and is the next one's parent; after a restart only those with transactions still have a block.
"""
