"""Writes tokenizers/testdata/reference_behaviours.json: what the reference does in cases that each have a name, small enough to be read. Each case
is a tokenizer of testdata with some members replaced.

    /tmp/hf/bin/python conformance/tokenizers/behaviours.py
"""

import json

import tokenizers
from tokenizers import Tokenizer

FOLDER = "tokenizers/testdata"


def level(**settings):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True, **settings}


def added(base, *tokens):
    """The added tokens of base and more: contents with their flags."""
    tokenizer = json.load(open(f"{FOLDER}/{base}.tokenizer.json"))
    known = tokenizer["model"]["vocab"]
    ids = dict(known) if isinstance(known, dict) else {t: i for i, (t, _) in enumerate(known)}
    result = tokenizer["added_tokens"]
    ids.update({t["content"]: t["id"] for t in result})
    for content, *flags in tokens:
        ids.setdefault(content, len(ids))
        token = dict(id=ids[content], content=content, **{f: f in flags for f in ("single_word", "lstrip", "rstrip", "normalized", "special")})
        result = [t for t in result if t["content"] != content] + [token]
    return {"added_tokens": sorted(result, key=lambda t: t["id"])}


def meta(scheme, split=True):
    part = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}
    return {"normalizer": None, "pre_tokenizer": part, "decoder": part, "post_processor": None}


def model(base, **settings):
    return {"model": {**json.load(open(f"{FOLDER}/{base}.tokenizer.json"))["model"], **settings}}


LOWER = {"normalizer": {"type": "Lowercase"}}
SHOWN = {"normalizer": {"type": "ByteLevel"}, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": r" ?\p{L}+|\s"}, "behavior": "Isolated", "invert": False}}


def cases():
    yield "offsets hold the space before a word", "bpe", {"post_processor": level()}, ["Over there, how are you?", " x", "a  b "]
    yield "trimmed offsets don't", "bpe", {"post_processor": level(trim_offsets=True)}, ["Over there, how are you?", " x", "a  b ", "\u00a0x\u2000"]
    yield "a prefix space is not trimmed from the first token", "bpe", {"pre_tokenizer": level(add_prefix_space=True), "post_processor": level(trim_offsets=True, add_prefix_space=True)}, ["over there", " over", "  over"]
    yield "tokens that are part of a character cover it", "bpe", {}, ["i⭢j", "😺é"]
    yield "an added token amid words", "wordpiece", {}, ["Yesterday we saw a [MASK] far away", "[MASK]", "[MASK][MASK] [mask]"]
    yield "lstrip takes the space on the left", "bpe", added("bpe", ("<mask>", "lstrip", "special")), ["a <mask> 😺", "<mask>", " \t\n<mask><mask>  <mask>"]
    yield "rstrip takes the space on the right", "bpe", added("bpe", ("<mask>", "rstrip", "special")), ["a <mask> 😺", "<mask>", "<mask> \t\n<mask>"]
    yield "a prefix space follows what rstrip took", "bpe", {**added("bpe", ("<mask>", "rstrip", "special")), "pre_tokenizer": level(add_prefix_space=True)}, ["a <mask> 😺 b"]
    yield "single_word leaves words whole", "bpe", added("bpe", ("ing", "single_word")), ["we like dancing", "ing", "an ing.", "ing_ ing- éing ◌̰ing ingé 中ing"]
    yield "without single_word words are cut", "bpe", added("bpe", ("ing",)), ["we like dancing", "ing", "inging"]
    yield "the leftmost of overlapping tokens is found", "bpe", added("bpe", ("danc",), ("nci",), ("ing",), ("ike",)), ["we like dancing", "dancidancing"]
    yield "the longest of tokens that begin together is found", "bpe", added("bpe", ("<a>",), ("<a><b>",), ("<a><b><c>",)), ["<a><b><c>", "<a><b><a>", "<a><b"]
    yield "a token that is refused as part of a word hides no later one", "bpe", added("bpe", ("ab", "single_word"), ("b",)), ["abc ab cb"]
    yield "normalized tokens are sought in normalized text", "bpe", {**LOWER, **added("bpe", ("My", "normalized", "lstrip", "rstrip"), ("NAME", "normalized"), ("Ony",), ("[CLS]", "special"))}, ["[CLS] My name is AnthOny [cls]", "ony Ony MY"]
    yield "white space of any kind is stripped once", "bpe", {**LOWER, **added("bpe", ("<mask>", "lstrip", "rstrip", "single_word", "normalized"))}, ["Hi <mask> there\t<mask>\t<mask>\u2000", "x<mask> y", "\u3000<mask>\u0085"]
    yield "special tokens can be text, others not", "bpe", {**LOWER, **added("bpe", ("<mask>", "special", "lstrip", "rstrip", "single_word", "normalized"), ("ask>", "normalized"), ("<pad>", "special"))}, ["Hi <mask> there\t<mask>\u2000 <pad> <mask><pad><pad>"]
    yield "an empty text", "wordpiece", added("wordpiece", ("<x>",)), ["", " ", "<x>"]
    yield "tokens beside shown bytes come back as text", "bpe", {**SHOWN, **added("bpe", ("嗎",), ("д", "normalized"))}, ["how is this: 嗎", "how is this: д", "嗎д嗎"]
    yield "the best path goes over the whole sentence", "unigram_whole", {}, ["the quick brown fox jumps over the lazy dog", "ththe  quickly"]
    yield "a prefix before every part", "unigram", {**meta("always"), **added("unigram", ("<x>",))}, ["the dog", " the", "the<x>dog <x> the", ""]
    yield "a prefix before the first part", "unigram", {**meta("first"), **added("unigram", ("<x>",))}, ["the dog", " the", "the<x>dog <x> the", "<x>the"]
    yield "no prefix", "unigram", {**meta("never"), **added("unigram", ("<x>",))}, ["the dog", " the", "the<x>dog <x> the"]
    yield "spaces are shown and text not cut", "unigram", {**meta("always", False), **added("unigram", ("<x>",))}, ["the  dog", "the<x>dog"]
    yield "a stripped token takes the place of the first part", "unigram", {**meta("first", False), **added("unigram", ("<x>", "lstrip", "rstrip"), ("<y>", "special"))}, ["<x>the dog", " <x> the <y>dog.   .", "the<y>. dog.    ."]
    yield "special tokens alone are skipped", "wordpiece", {**added("wordpiece", ("the", "special"), ("dog",)), "decoder": None}, ["the dog the end"]
    yield "neighbouring unknown characters stand apart", "bpe_characters", model("bpe_characters", fuse_unk=False), ["a中b", "中文字"]
    yield "neighbouring unknown characters are one token", "bpe_characters", model("bpe_characters", fuse_unk=True), ["a中b", "中文字", "中 文"]
    yield "unknown characters vanish", "bpe_characters", model("bpe_characters", unk_token=None), ["a中b", "中文字"]
    yield "unknown characters become bytes", "bpe_byte_fallback", {}, ["aé中b", "字"]
    yield "words that are too long are unknown", "wordpiece", model("wordpiece", max_input_chars_per_word=3), ["the they then", "éàü éàüö"]
    yield "accents and Chinese", "wordpiece", {}, ["naïve Élan 中文字", "e\u0301 \u0301"]
    yield "sequences of pre-tokenizers cut what is cut", "wordpiece", {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Digits", "individual_digits": True}, {"type": "Punctuation"}]}}, ["call 911, now!", " 1a2 "]
    yield "scripts", "wordpiece", {"pre_tokenizer": {"type": "UnicodeScripts"}}, ["どこで生れ。Yes", " a б ", "1 a"]
    yield "words of a length", "wordpiece", {"pre_tokenizer": {"type": "FixedLength", "length": 5}}, ["the then", "abcde", "é中😺ab"]
    yield "words are joined without their marks", "wordpiece", {"decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True}}, ["don ' t , do it . n't"]
    yield "words are joined as they are", "wordpiece", {"decoder": {"type": "WordPiece", "prefix": "##", "cleanup": False}}, ["don ' t , do it . n't"]
    yield "no decoder puts spaces between tokens", "bpe", {"decoder": None}, ["over there"]


def results(tok, texts):
    before = ""
    for text in texts:
        tok.encode_special_tokens = False
        e, p = tok.encode(text), tok.encode(before, text)
        before = text
        tok.encode_special_tokens = True
        plain = tok.encode(text, add_special_tokens=False)
        tok.encode_special_tokens = False
        parts = tok.encode(text.split(" "), is_pretokenized=True)
        yield {
            "ids": e.ids, "tokens": e.tokens, "offsets": [list(o) for o in e.offsets], "words": [-1 if w is None else w for w in e.word_ids],
            "plain": plain.tokens, "decoded": tok.decode(e.ids, skip_special_tokens=False), "skipped": tok.decode(e.ids, skip_special_tokens=True),
            "split": {"tokens": parts.tokens, "offsets": [list(o) for o in parts.offsets], "words": [-1 if w is None else w for w in parts.word_ids]},
            "pair": {"offsets": [list(o) for o in p.offsets], "words": [-1 if w is None else w for w in p.word_ids], "types": p.type_ids},
        }


def main():
    recorded = []
    for name, base, changes, texts in cases():
        tokenizer = {**json.load(open(f"{FOLDER}/{base}.tokenizer.json")), **changes}
        tok = Tokenizer.from_str(json.dumps(tokenizer))
        if "model" in changes:  # the vocabulary is that of base
            changes = {**changes, "model": {k: v for k, v in changes["model"].items() if k not in ("vocab", "merges")}}
        recorded.append({"name": name, "base": base, "changes": changes, "texts": texts, "results": list(results(tok, texts))})
    with open(f"{FOLDER}/reference_behaviours.json", "w") as f:
        head = {"reference": tokenizers.__version__}
        f.write(json.dumps(head)[:-1] + ', "cases": [\n' + ",\n".join(json.dumps(c, ensure_ascii=False) for c in recorded) + "\n]}\n")


if __name__ == "__main__":
    main()
