"""What identifies a node: the hash of its address, port and generation."""

import hashlib
import ipaddress

from solders.pubkey import Pubkey


def node_hash(address: str, port: int, generation: int) -> str:
    """Base58 of SHA-256 over the IP address as 16 bytes (IPv4 mapped into IPv6), the port as u16 and the generation
    as u64, both big-endian. Raises `ValueError` for an address that is not an IP address.
    """
    ip = ipaddress.ip_address(address)
    mapped = (
        ip
        if isinstance(ip, ipaddress.IPv6Address)
        else ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + ip.packed)
    )
    data = mapped.packed + port.to_bytes(2, "big") + generation.to_bytes(8, "big")
    return str(Pubkey.from_bytes(hashlib.sha256(data).digest()))
