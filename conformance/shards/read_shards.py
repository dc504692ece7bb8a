#!/usr/bin/env python3
"""Reads the shards of a dataset with numpy alone, and checks that against the files and, where it is installed, against pyarrow.

    python3 conformance/shards/read_shards.py DATASET      # a folder with manifest.json
    python3 conformance/shards/read_shards.py FILE.arrow…  # single shards

Needs numpy. With xxhash it checks checksums and the side of the held-out split of each document; with pyarrow it compares each column
and validates the Arrow structure; with datasets (Hugging Face) it loads each shard. It says at the end what it could check. The layout
of the index is drawn in the package comment of datasets/shards.
"""
import hashlib
import json
import pathlib
import struct
import sys

import numpy as np

try:
    import xxhash
except ImportError:
    xxhash = None
try:
    import pyarrow as pa
    import pyarrow.ipc
except ImportError:
    pa = None
try:
    import datasets
except ImportError:
    datasets = None

ENTRY = np.dtype([("message", "<u8", 2), ("values", "<u8", 2), ("list", "<u8", 2), ("rows", "<u4"), ("split", "<u4"),
                  ("tokens", "<u8"), ("checksum", "<u8")])
SPLIT_SEED = 0x73706C69742D3031


def read_index(path):
    """Returns the header as a dict and the entries as an array."""
    raw = path.read_bytes()
    magic, version, width, held_out, batches, rows, tokens, size, frame = struct.unpack_from("<8s4I4Q", raw)
    assert magic == b"SHARDIDX" and version == 1, f"{path}: {magic} {version}"
    assert len(raw) == 56 + 72 * batches + 8, f"{path}: {len(raw)} bytes"
    if xxhash:
        assert xxhash.xxh3_64_intdigest(raw[:-8]) == struct.unpack("<Q", raw[-8:])[0], f"{path}: checksum"
    header = dict(width=width, held_out=held_out, rows=rows, tokens=tokens, size=size, frame=frame)
    return header, np.frombuffer(raw, ENTRY, batches, 56)


def side(ids, held_out):
    """The side of the held-out split that a document is on: 0 train, 1 held out."""
    h = xxhash.xxh3_64_intdigest(ids.astype("<u4").tobytes(), SPLIT_SEED)
    return int(h * 1_000_000 >> 64 < held_out)


def read_shard(path):
    """Checks one shard and returns its rows and tokens."""
    header, entries = read_index(path.with_suffix(".idx"))
    arrow = np.memmap(path, np.uint8, "r")
    assert len(arrow) == header["size"], f"{path}: {len(arrow)} bytes"
    reader = pa.ipc.open_file(pa.memory_map(str(path))) if pa else None
    if reader:
        assert reader.num_record_batches == len(entries)
    frame = arrow if len(entries) == 0 else np.concatenate(
        [arrow[:entries[0]["message"][0]], arrow[int(entries[-1]["message"].sum()):]])
    if xxhash:
        assert xxhash.xxh3_64_intdigest(frame.tobytes()) == header["frame"], f"{path}: frame checksum"
    for i, e in enumerate(entries):
        part = lambda r: arrow[int(r[0]):int(r[0] + r[1])]
        ids = part(e["values"]).view(f"<u{header['width']}")
        ends = part(e["list"]).view("<i4")
        assert len(ids) == e["tokens"] == ends[-1] and len(ends) == e["rows"] + 1 and ends[0] == 0, f"{path}: batch {i}"
        if xxhash:
            assert xxhash.xxh3_64_intdigest(part(e["message"]).tobytes()) == e["checksum"], f"{path}: batch {i}: checksum"
            for a, b in zip(ends[:-1], ends[1:]):
                assert side(ids[a:b], header["held_out"]) == e["split"], f"{path}: batch {i}: split"
        if reader:
            batch = reader.get_batch(i)
            batch.validate(full=True)
            assert batch.schema.names == ["tokens", "id", "source", "offset"] and sum(c.null_count for c in batch.columns) == 0
            column = batch.column("tokens")
            assert np.array_equal(column.values.to_numpy(), ids) and np.array_equal(column.offsets.to_numpy(), ends)
    assert entries["rows"].sum() == header["rows"] and entries["tokens"].sum() == header["tokens"]
    if datasets:
        rows = datasets.load_dataset("arrow", data_files=str(path), split="train", cache_dir=str(CACHE)) if header["rows"] else []
        assert len(rows) == header["rows"]
        assert sum(len(t) for t in rows["tokens"]) == header["tokens"] if header["rows"] else True
    return header["rows"], header["tokens"]


def read_dataset(folder):
    """Checks the manifest of a dataset and each of its shards."""
    raw = (folder / "manifest.json").read_bytes()
    manifest = json.loads(raw)
    digest = manifest["digest"].encode()
    assert hashlib.sha256(raw.replace(digest, b"", 1)).hexdigest().encode() == digest, "manifest digest"
    for shard in manifest["shards"]:
        path = folder / shard["path"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == shard["digest"], path
        assert hashlib.sha256(path.with_suffix(".idx").read_bytes()).hexdigest() == shard["index_digest"], path
        assert read_shard(path) == (shard["rows"], shard["tokens"]), path
    return manifest["totals"]["documents"], manifest["totals"]["tokens"]


def main(paths):
    for path in map(pathlib.Path, paths):
        rows, tokens = read_dataset(path) if path.is_dir() else read_shard(path)
        print(f"{path}: {rows} documents, {tokens} tokens")
    checked = ["numpy"] + [name for name, m in (("xxhash", xxhash), ("pyarrow", pa), ("datasets", datasets)) if m]
    print("checked with", ", ".join(checked))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    import tempfile
    with tempfile.TemporaryDirectory() as CACHE:
        main(sys.argv[1:])
