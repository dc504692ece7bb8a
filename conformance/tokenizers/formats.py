"""Compares what `ingest tokenizer convert` makes of vocabulary files with the libraries that define these: tiktoken for lists of ranks, sentencepiece for
models, Hugging Face `tokenizers` for vocab.txt and merges. Ids of each text, the text's special tokens found.

    /tmp/hf/bin/pip install tokenizers tiktoken sentencepiece
    /tmp/hf/bin/python conformance/tokenizers/formats.py [--data ../shared/data] [--lines 4000]

Run it from the root of the repository. It trains its own models of SentencePiece on the generated texts. Exits 1 where anything differs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import sentencepiece
import tiktoken
from tiktoken.load import load_tiktoken_bpe
from tiktoken_ext import openai_public
from tokenizers import ByteLevelBPETokenizer, BertWordPieceTokenizer, Tokenizer

# Text that a normalizer or a trainer of SentencePiece treats as its own.
RESERVED = ["▁", "<unk>", "<s>", "</s>", "<0x", "\x00"]


class Ours:
    """The converted file in the reference and in our encoder, which must agree."""

    def __init__(self, ingest, source, folder, *flags):
        self.ingest, self.path = ingest, os.path.join(folder, "converted.json")
        subprocess.run([ingest, "tokenizer", "convert", source, self.path, *flags], check=True, stderr=subprocess.DEVNULL)
        self.reference = Tokenizer.from_file(self.path)
        self.reference.no_truncation()

    def ids(self, texts):
        lines = "".join(json.dumps({"text": t}) + "\n" for t in texts)
        out = subprocess.run([self.ingest, "tokenizer", "encode", "--json", "--tokenizer", self.path], input=lines.encode(), check=True, capture_output=True).stdout
        ids = [json.loads(line)["ids"] for line in out.decode().strip("\n").split("\n")]
        assert ids == [self.reference.encode(t).ids for t in texts], f"{self.path}: the reference reads it otherwise"
        return ids


def encodings(data):
    """Name, path and constructor's arguments of each list of ranks, with the library's own patterns and special tokens."""
    for name in ["r50k_base", "p50k_base", "cl100k_base", "o200k_base"]:
        path = f"{data}/tokenizers/tiktoken/{name}.tiktoken"
        openai_public.load_tiktoken_bpe = lambda *_, path=path, **__: load_tiktoken_bpe(path)
        yield name, path, getattr(openai_public, name)()
    cl100k = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    for name, path, pattern, special in [
        ("llama-3", f"{data}/tokenizers/llama-3-8b-instruct/tiktoken.model", cl100k, {"<|begin_of_text|>": 128000, "<|eot_id|>": 128009}),
        ("qwen", f"{data}/tokenizers/qwen/qwen.tiktoken", cl100k.replace(r"{1,3}", ""), {"<|endoftext|>": 151643, "<|im_start|>": 151644}),
    ]:
        yield name, path, dict(name=name, pat_str=pattern, mergeable_ranks=load_tiktoken_bpe(path), special_tokens=special)


def compare(name, texts, want, got):
    differ = [(t, w, g) for t, w, g in zip(texts, want, got, strict=True) if w != g]
    print(f"{name:40} ids {len(texts) - len(differ)}/{len(texts)}", flush=True)
    for text, w, g in differ[:3]:
        print(f"DIFFERS {text[:200]!r}\n  want {w[:60]}\n  got  {g[:60]}")
    return len(differ)


def ranks(data, ingest, folder, texts):
    import unicodedata

    differ = 0
    for name, path, arguments in encodings(data):
        reference = tiktoken.Encoding(**arguments)
        known = [unicodedata.normalize("NFC", t) if name == "qwen" else t for t in texts]
        # Qwen's reference normalizes with the Unicode version of Python: texts are normalized before both.
        want = [reference.encode(t, allowed_special="all") for t in known]
        differ += compare(f"{name} ranks", known, want, Ours(ingest, path, folder).ids(known))
    return differ


def models(ingest, folder, texts):
    differ = 0
    corpus = os.path.join(folder, "corpus.txt")
    with open(corpus, "w") as f:
        f.writelines(t.replace("\n", " ").replace("\r", " ") + "\n" for t in texts[len(texts) // 3 :])  # the first ones hold each character once
    for kind in ["unigram", "bpe"]:
        for settings in [
            dict(),
            dict(byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False),
            dict(add_dummy_prefix=False, normalization_rule_name="nmt_nfkc_cf"),
            dict(split_by_whitespace=False),
        ]:
            prefix = os.path.join(folder, "trained")
            with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
                json.dump({"add_bos_token": False}, f)  # one of the models looks like Llama's
            sentencepiece.SentencePieceTrainer.train(
                input=corpus, model_prefix=prefix, model_type=kind, vocab_size=9000, minloglevel=2, hard_vocab_limit=kind == "bpe",
                **{"character_coverage": 0.98, **settings},
            )
            reference = sentencepiece.SentencePieceProcessor(model_file=prefix + ".model")
            ours = Ours(ingest, prefix + ".model", folder)
            normal = ours.reference.normalizer.normalize_str
            # Hugging Face's Precompiled normalizer looks up clusters of characters, SentencePiece the longest match: text that they normalize otherwise
            # is left out.
            known = [t for t in texts if reference.normalize(t).strip("▁") == normal(t).replace(" ", "▁").strip("▁")]
            got = ours.ids(known)
            want = [reference.encode(t) for t in known]
            if kind == "unigram":
                # Sums of scores are rounded otherwise, which decides between cuts that score the same.
                score = lambda ids: sum(reference.get_score(i) for i in ids)
                want = [g if abs(score(w) - score(g)) < 1e-5 * -score(w) else w for w, g in zip(want, got)]
            differ += compare(f"{kind} {' '.join(settings)}", known, want, got)
    return differ


def vocabularies(data, ingest, folder, texts):
    differ = 0
    for name, lowercase in [("bert-base-uncased", True), ("bert-base-cased", False), ("bert-base-multilingual-cased", False)]:
        path = f"{data}/tokenizers/{name}/vocab.txt"
        reference = BertWordPieceTokenizer(path, lowercase=lowercase)
        differ += compare(name, texts, [reference.encode(t).ids for t in texts], Ours(ingest, path, folder).ids(texts))
    reference = ByteLevelBPETokenizer(f"{data}/tokenizers/gpt2/vocab.json", f"{data}/tokenizers/gpt2/merges.txt")
    reference.add_special_tokens(["<|endoftext|>"])
    differ += compare("gpt2 merges", texts, [reference.encode(t).ids for t in texts], Ours(ingest, f"{data}/tokenizers/gpt2/merges.txt", folder).ids(texts))
    return differ


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--lines", type=int, default=4000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.check_call(["go", "build", "-o", folder + "/", "./cmd/ingest", "./conformance/tokenizers/lines"])
        generated = subprocess.check_output([f"{folder}/lines", "-n", str(args.lines)]).decode().strip("\n").split("\n")
        texts = [json.loads(line)["text"] for line in generated]
        ingest = f"{folder}/ingest"
        plain = [t for t in texts if not any(s in t for s in RESERVED)]
        differ = ranks(args.data, ingest, folder, texts) + models(ingest, folder, plain) + vocabularies(args.data, ingest, folder, texts)
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
