"""Builds the precompiled_charsmap of SentencePiece: a double array (darts-clone) from the bytes of texts to what they become, and these strings."""

import struct


def children(keys, depth):
    """Groups of keys by their byte at depth, and the key that ends there."""
    groups, end = {}, None
    for key in keys:
        if len(key) == depth:
            end = key
        else:
            groups.setdefault(key[depth], []).append(key)
    return groups, end


def charsmap(mapping):
    """The bytes of a charsmap; mapping is from bytes to str, and holds no NUL."""
    blob, place = b"", {}
    for to in mapping.values():
        if to not in place:
            place[to] = len(blob)
            blob += to.encode() + b"\0"
    units, used, bases, low = {}, {0}, set(), 1

    def lay(keys, depth, at, label):
        nonlocal low
        groups, end = children(keys, depth)
        slots = sorted(groups) + ([0] if end is not None else [])
        while low in bases:
            low += 1
        base = low
        while base in bases or any(base ^ c in used for c in slots):
            base += 1
        bases.add(base)
        used.update(base ^ c for c in slots)
        offset = at ^ base
        assert offset < 1 << 21
        units[at] = offset << 10 | (end is not None) << 8 | label
        if end is not None:
            units[base] = 1 << 31 | place[mapping[end]]
        for c, group in groups.items():
            lay(group, depth + 1, base ^ c, c)

    lay(sorted(mapping), 0, 0, 0)
    size = (max(units) | 0xFF) + 1
    array = struct.pack(f"<{size}I", *(units.get(i, 0) for i in range(size)))
    return struct.pack("<I", len(array)) + array + blob
