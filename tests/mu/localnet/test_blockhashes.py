"""The window of recent blockhashes."""

from solders.hash import Hash

from mu.localnet.blockhashes import RecentBlockhashes, blockhash_of

GENESIS = Hash(bytes(range(32)))


def test_a_hash_lives_for_150_slots() -> None:
    recent = RecentBlockhashes(GENESIS)
    for slot in range(151):
        recent.advance(slot)
    assert recent.slot(blockhash_of(GENESIS, 0)) == 0
    recent.advance(151)
    assert recent.slot(blockhash_of(GENESIS, 0)) is None
    assert recent.slot(blockhash_of(GENESIS, 1)) == 1


def test_a_jump_gives_the_same_window_as_single_steps() -> None:
    stepped, jumped = RecentBlockhashes(GENESIS), RecentBlockhashes(GENESIS)
    for slot in range(400):
        stepped.advance(slot)
    jumped.advance(3)
    jumped.advance(399)
    hashes = [blockhash_of(GENESIS, slot) for slot in range(401)]
    assert [stepped.slot(one) for one in hashes] == [jumped.slot(one) for one in hashes]
    assert jumped.slot(hashes[400]) is None
