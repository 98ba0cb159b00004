"""HTTP/1.1 on trio, shared by the gateway and the local chain."""
