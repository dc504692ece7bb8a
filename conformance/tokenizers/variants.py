"""Writes tokenizers/testdata/*.tokenizer.json: two small tokenizers that package tokenizers trains on the texts of internal/roughtext, and variants of
them that between them use every setting.

    /tmp/hf/bin/python conformance/tokenizers/variants.py && /tmp/hf/bin/python conformance/tokenizers/compare.py --record
"""

import base64
import copy
import json
import math
import subprocess
import unicodedata

from charsmap import charsmap

FOLDER = "tokenizers/testdata"


def train(*flags):
    lines = subprocess.run(["go", "run", "./conformance/tokenizers/lines", "-n", "1200"], check=True, capture_output=True).stdout
    out = subprocess.run(["go", "run", "./conformance/tokenizers/train", *flags], check=True, capture_output=True, input=b"\n".join(lines.split(b"\n")[512:])).stdout
    return json.loads(out)


def added(tokenizer, content, **flags):
    vocab = tokenizer["model"]["vocab"]
    taken = {**(vocab if isinstance(vocab, dict) else {t: i for i, (t, _) in enumerate(vocab)}), **{t["content"]: t["id"] for t in tokenizer["added_tokens"]}}
    token = dict(id=taken.get(content, len(taken)), content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
    tokenizer["added_tokens"].append({**token, **flags})


def without(tokenizer, dropped):
    """Drops tokens from a BPE vocabulary, and the merges that need them; ids move up."""
    model = tokenizer["model"]
    tokens = [t for t in model["vocab"] if not any(c in t for c in dropped)]
    model["vocab"] = {t: i for i, t in enumerate(tokens)}
    model["merges"] = [m for m in model["merges"] if not any(c in m for c in dropped)]


def template(cls, sep):
    special = lambda t, k: {"SpecialToken": {"id": t[0], "type_id": k}}
    sequence = lambda s, k: {"Sequence": {"id": s, "type_id": k}}
    return {
        "type": "TemplateProcessing",
        "single": [special(cls, 3), sequence("A", 2), special(sep, 0), special(("both",), 1)],
        "pair": [special(cls, 0), sequence("A", 0), special(sep, 0), sequence("B", 1), special(sep, 1)],
        "special_tokens": {
            cls[0]: {"id": cls[0], "ids": [cls[1]], "tokens": [cls[0]]},
            sep[0]: {"id": sep[0], "ids": [sep[1]], "tokens": [sep[0]]},
            "both": {"id": "both", "ids": [sep[1], cls[1]], "tokens": [sep[0], cls[0]]},
        },
    }


def variants():
    bpe = train("--model", "bpe", "--vocab-size", "500")
    yield "bpe", bpe

    t = copy.deepcopy(bpe)
    added(t, "<mask>", lstrip=True, special=True)
    added(t, "<s>", rstrip=True, special=True, normalized=True)
    added(t, "[CLS]", single_word=True)
    added(t, "[SEP]", single_word=True, lstrip=True, rstrip=True)
    added(t, "the")
    added(t, "[[CLS]]", normalized=True)
    added(t, "é", normalized=True)
    t["pre_tokenizer"]["add_prefix_space"] = True
    t["post_processor"] = {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True, "add_prefix_space": True}
    yield "bpe_roberta", t

    t = copy.deepcopy(bpe)
    without(t, "éÃaĠ")
    t["model"].update(unk_token="<|endoftext|>", fuse_unk=True)
    t["post_processor"].update(trim_offsets=True, add_prefix_space=False)
    yield "bpe_unknown_fused", t

    t = copy.deepcopy(t)
    t["model"].update(unk_token="<|endoftext|>", fuse_unk=False, ignore_merges=True)
    t["pre_tokenizer"]["use_regex"] = False
    t["post_processor"] = template(("<|endoftext|>", 0), ("!", 1))
    yield "bpe_one_word", t

    t = copy.deepcopy(bpe)
    without(t, "éÃaĠ")
    t["model"].update(ignore_merges=True)
    t["pre_tokenizer"]["add_prefix_space"] = True
    t["post_processor"] = None
    yield "bpe_dropped", t

    t = copy.deepcopy(bpe)
    t["model"].update(unk_token="<|endoftext|>")
    t.update(pre_tokenizer=None, post_processor=None, decoder=None, normalizer=None)
    yield "bpe_characters", t

    t = copy.deepcopy(bpe)
    t["model"].update(unk_token="<|endoftext|>", fuse_unk=True)
    t["normalizer"] = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": False, "strip_accents": None, "lowercase": True}
    added(t, "[Mask]", normalized=True, special=True)
    yield "bpe_normalized", t

    # Characters without a token become bytes, or where these lack too, the unknown token.
    t = copy.deepcopy(bpe)
    for byte in set(range(256)) - {0xC3, 0xE4, 0x20}:
        t["model"]["vocab"].setdefault(f"<0x{byte:02X}>", len(t["model"]["vocab"]))
    t["model"].update(unk_token="<|endoftext|>", fuse_unk=True, byte_fallback=True)
    t["pre_tokenizer"], t["post_processor"] = {"type": "BertPreTokenizer"}, None
    yield "bpe_byte_fallback", t

    t = copy.deepcopy(bpe)
    without(t, "éÃaĠ")
    tokens = list(t["model"]["vocab"])
    forms = tokens + ["##" + k for k in tokens] + [k + "</w>" for k in tokens] + ["##" + k + "</w>" for k in tokens]
    t["model"]["vocab"] = {k: i for i, k in enumerate(forms)}
    merges = [m if isinstance(m, list) else m.split(" ") for m in t["model"]["merges"]]
    t["model"]["merges"] = [[p + a, "##" + b + s] for a, b in merges for s in ("</w>", "") for p in ("", "##")]
    t["model"].update(unk_token="<|endoftext|>", continuing_subword_prefix="##", end_of_word_suffix="</w>")
    yield "bpe_prefix_suffix", t

    # Bytes shown by the normalizer, words of five characters of one script, and a sequence of post-processors.
    t = copy.deepcopy(bpe)
    t["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, {"type": "ByteLevel"}]}
    t["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "FixedLength", "length": 5}, {"type": "UnicodeScripts"}]}
    t["post_processor"] = {"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}, template(("<|endoftext|>", 0), ("!", 1))]}
    added(t, "ÉT", normalized=True)
    t["model"]["dropout"] = 0.0
    yield "bpe_shown", t

    # As CLIP: patterns that are replaced, words that are matches, and a suffix at their end.
    t = copy.deepcopy(bpe)
    tokens = list(t["model"]["vocab"])
    t["model"]["vocab"] = {k: i for i, k in enumerate(tokens + [k + "</w>" for k in tokens])}
    merges = [m if isinstance(m, list) else m.split(" ") for m in t["model"]["merges"]]
    t["model"]["merges"] = [[a, b + s] for a, b in merges for s in ("</w>", "")]
    t["model"].update(unk_token="<|endoftext|>", continuing_subword_prefix="", end_of_word_suffix="</w>")
    replace = lambda pattern, content: {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}
    t["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFC"}, replace(r"\s+", " "), replace(r"(?<=q)u|[\u0300-\u0310]+", "éz"), replace("x+(?=e)|(?i:fox)", "-"), {"type": "Lowercase"}]}
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed", "invert": True}
    t["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]}
    t["post_processor"] = {"type": "RobertaProcessing", "sep": ["<|endoftext|>", 0], "cls": ["!", 1], "trim_offsets": False, "add_prefix_space": False}
    t["decoder"] = {"type": "Sequence", "decoders": [{"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, replace("</w>|(?<=t)h?", " ")]}
    yield "bpe_clip", t

    wordpiece = train("--model", "wordpiece", "--vocab-size", "900", "--limit-alphabet", "250", "--lowercase")
    yield "wordpiece", wordpiece

    t = copy.deepcopy(wordpiece)
    t["normalizer"].update(clean_text=False, strip_accents=True, lowercase=False)
    t["post_processor"] = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    t["decoder"]["cleanup"] = False
    t["model"]["max_input_chars_per_word"] = 7
    added(t, "LAZY", single_word=True)
    yield "wordpiece_accents", t

    t = copy.deepcopy(wordpiece)
    t["normalizer"].update(strip_accents=False, handle_chinese_chars=False)
    added(t, "THE", normalized=True)
    added(t, "ÉT", normalized=True, single_word=True)
    added(t, "<Mask>", normalized=True, special=True, lstrip=True, rstrip=True)
    t["model"]["continuing_subword_prefix"] = ""
    t["decoder"] = None
    yield "wordpiece_cased_marks", t

    t = copy.deepcopy(wordpiece)
    t["normalizer"] = None
    t["post_processor"] = template(("[CLS]", 2), ("[SEP]", 3))
    yield "wordpiece_raw", t


def small_charsmap():
    """NFKC of a few hundred characters, some of it with marks, and white space and controls as SentencePiece has them."""
    mapping = {}
    chars = [*range(0xA0, 0x250), *range(0x1E00, 0x1E20), *range(0x2000, 0x2070), *range(0x2100, 0x2130), *range(0xFB00, 0xFB07), *range(0xFF01, 0xFF20)]
    for c in chars:
        ch = chr(c)
        for form in {ch, unicodedata.normalize("NFD", ch)}:
            if (to := unicodedata.normalize("NFKC", ch)) != form:
                mapping[form.encode()] = to
    mapping.update({b"\t": " ", b"\n": " ", b"\r": " ", b"\x01": "", b"\x1f": "", b"\x7f": ""})
    for c in [0x200B, 0x200E, 0xFEFF, 0xAD]:
        mapping[chr(c).encode()] = ""
    mapping["각".encode()] = "각각각"
    return base64.b64encode(charsmap(mapping)).decode()


def unigram(wordpiece):
    """Unigram with the tokens of WordPiece; many have the same score."""
    pieces = ["<unk>", "</s>", "▁"] + [t[2:] if t.startswith("##") else "▁" + t for t in wordpiece["model"]["vocab"] if t[0] != "["]
    pieces += [c for c in "abcdefghijklmnopqrstuvwxyz" if c not in pieces]
    vocab = [[t, -round(math.log(i + 1), 2) - 0.1234567890123456 * (i % 7)] for i, t in enumerate(dict.fromkeys(pieces))]
    special = lambda content, i: dict(id=i, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [special("<unk>", 0), special("</s>", 1)],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Precompiled", "precompiled_charsmap": small_charsmap()},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
        ]},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True},
        "post_processor": template(("</s>", 1), ("<unk>", 0)),
        "decoder": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True},
        "model": {"type": "Unigram", "unk_id": 0, "vocab": vocab},
    }


def unigram_variants(wordpiece):
    first = unigram(wordpiece)
    yield "unigram", first

    t = copy.deepcopy(first)
    t["normalizer"]["normalizers"] = [{"type": "Nmt"}, {"type": "NFKC"}, {"type": "Lowercase"}, {"type": "Strip", "strip_left": True, "strip_right": True}]
    t["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}
    t["decoder"] = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}]}
    t["model"].update(byte_fallback=True, unk_id=5)
    t["model"]["vocab"] += [[f"<0x{b:02X}>", -9.5] for b in range(256) if b != 0xF0]
    added(t, "<mask>", lstrip=True, special=True)
    added(t, "The", normalized=True)
    yield "unigram_bytes", t

    t = copy.deepcopy(first)
    charsmap = t["normalizer"]["normalizers"][0]
    t["normalizer"]["normalizers"] = [
        {"type": "Replace", "pattern": {"String": "the"}, "content": "``''"}, {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, charsmap,
        {"type": "Strip", "strip_left": False, "strip_right": True}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"},
    ]
    t["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": False}
    t["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    ]}
    yield "unigram_whole", t

    t = copy.deepcopy(first)
    t["normalizer"]["normalizers"] = [{"type": "NFD"}, {"type": "Prepend", "prepend": "▁_"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]
    t["pre_tokenizer"] = None
    t["decoder"] = {"type": "BPEDecoder", "suffix": "e"}
    yield "unigram_prepend", t

    t = copy.deepcopy(first)
    t["normalizer"] = {"type": "NFC"}
    t["model"] = {"type": "WordLevel", "unk_token": "<unk>", "vocab": {piece: i for i, (piece, _) in enumerate(first["model"]["vocab"])}}
    t["decoder"] = {"type": "CTC", "pad_token": "e", "word_delimiter_token": "▁", "cleanup": True}
    yield "word_level", t


for name, tokenizer in [*variants(), *unigram_variants(train("--model", "wordpiece", "--vocab-size", "900", "--limit-alphabet", "250", "--lowercase"))]:
    with open(f"{FOLDER}/{name}.tokenizer.json", "w") as f:
        json.dump(tokenizer, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")
