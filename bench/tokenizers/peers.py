"""Answers the requests of run.py with one of the tokenizers of the Python package index: `python peers.py NAME`. Requests and answers are those of main.go.

Each peer is called in the way that is fastest for it: where a package has several, in VARIANTS, run.py tries them and takes the best. Packages that are
threads inside get their number from the environment, which run.py sets.
"""

import hashlib
import json
import os
import sys
import time

import numpy as np


class Peer:
    """One package with one tokenizer. Texts come as a list of documents, as the same bytes with a NUL between documents, and as the path of these."""

    VARIANTS = ["default"]

    def encode(self, text, threads, variant):
        """Encodes every document; the result is kept until the clock has stopped."""
        raise NotImplementedError

    def ids(self, text):
        """Arrays of ids, one for each document."""
        return [np.asarray(ids, dtype=np.uint32) for ids in self.encode(text, 1, self.VARIANTS[0])]


class HuggingFace(Peer):
    VARIANTS = ["encode_batch_fast", "encode_batch"]

    def __init__(self, files):
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(files["json"])
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.tokenizer.encode_special_tokens = True

    def encode(self, text, threads, variant):
        encode = getattr(self.tokenizer, variant)
        for i in range(0, len(text.docs), 1000):
            last = encode(text.docs[i : i + 1000], add_special_tokens=False)
        return last

    def offsets(self, text):
        return self.encode(text, 1, "encode_batch")

    def ids(self, text):
        return [np.asarray(e.ids, dtype=np.uint32) for e in self.tokenizer.encode_batch_fast(text.docs, add_special_tokens=False)]

    def decode(self, ids):
        return self.tokenizer.decode_batch(ids, skip_special_tokens=False)

    @staticmethod
    def train(text, vocab_size):
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=vocab_size, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
        tokenizer.train_from_iterator(text.docs, trainer)
        return tokenizer.get_vocab_size()


class Gigatoken(Peer):
    VARIANTS = ["one buffer", "list of bytes"]

    def __init__(self, files):
        import gigatoken

        self.package = gigatoken
        with open(files["json"], "rb") as f:
            self.tokenizer = gigatoken.Tokenizer.from_json(f.read()).backend

    def encode(self, text, threads, variant):
        source = self.package.BytesSource(text.blob, separator=b"\0") if variant == "one buffer" else text.bytes
        return self.tokenizer.encode_batch(source, parallel=threads > 1)

    def decode(self, ids):
        return [self.tokenizer.decode(i) for i in ids]

    @staticmethod
    def train(text, vocab_size):
        import gigatoken

        source = gigatoken.TextFileSource([text.path], separator=b"\0")
        return len(gigatoken.gigatoken_rs.train_bpe(source, vocab_size, [])[0])


class Tiktoken(Peer):
    VARIANTS = ["encode_ordinary", "encode_ordinary_batch"]

    def __init__(self, files):
        import base64

        import tiktoken

        with open(files["ranks"]) as f:
            ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in f if line.strip())}
        self.tokenizer = tiktoken.Encoding("measured", pat_str=files["pattern"], mergeable_ranks=ranks, special_tokens={})

    def encode(self, text, threads, variant):
        if variant == "encode_ordinary" and threads == 1:
            return [self.tokenizer.encode_ordinary(d) for d in text.docs]
        return self.tokenizer.encode_ordinary_batch(text.docs, num_threads=threads)

    def decode(self, ids):
        return [self.tokenizer.decode(i) for i in ids]


class Tokie(Peer):
    VARIANTS = ["encode_files", "encode_batch"]

    def __init__(self, files):
        import tokie

        self.tokenizer = tokie.Tokenizer.from_json(files["json"])

    def encode(self, text, threads, variant):
        if variant == "encode_files":
            return self.tokenizer.encode_files([text.path], separator=b"\0")
        return self.tokenizer.encode_batch(text.docs, add_special_tokens=False)

    def offsets(self, text):
        return [self.tokenizer.encode_with_offsets(d, add_special_tokens=False) for d in text.docs]

    def ids(self, text):
        return [np.asarray(e.ids, dtype=np.uint32) for e in self.encode(text, 1, "encode_batch")]


class Kitoken(Peer):
    VARIANTS = ["encode_all", "encode"]

    def __init__(self, files):
        import kitoken

        self.tokenizer = kitoken.Kitoken.from_tokenizers_file(files["json"])

    def encode(self, text, threads, variant):
        if variant == "encode_all":
            return self.tokenizer.encode_all(text.docs, False)
        return [self.tokenizer.encode(d, False) for d in text.docs]


class Fastokens(Peer):
    VARIANTS = ["encode_batch_flat", "encode_ordinary"]

    def __init__(self, files):
        from fastokens._native import Tokenizer

        self.tokenizer = Tokenizer.from_file(files["json"])

    def encode(self, text, threads, variant):
        if variant == "encode_batch_flat":
            return self.tokenizer.encode_batch_flat(text.docs)
        return [self.tokenizer.encode_ordinary(d) for d in text.docs]

    def ids(self, text):
        return [np.asarray(e.ids, dtype=np.uint32) for e in self.encode(text, 1, "encode_ordinary")]


class Iree(Peer):
    VARIANTS = ["encode_batch_to_array", "encode_to_array"]

    def __init__(self, files):
        from iree.tokenizer import Tokenizer

        self.tokenizer = Tokenizer.from_file(files["json"])

    def encode(self, text, threads, variant):
        if variant == "encode_batch_to_array":
            return self.tokenizer.encode_batch_to_array(text.docs)
        return [self.tokenizer.encode_to_array(d) for d in text.docs]

    def ids(self, text):
        return [np.asarray(ids, dtype=np.uint32) for ids in self.encode(text, 1, "encode_to_array")]


class RsBpe(Peer):
    VARIANTS = ["encode_batch", "encode"]

    def __init__(self, files):
        from rs_bpe.bpe import openai

        self.tokenizer = getattr(openai, files["openai"])()  # the only two that it has: their ranks are built in

    def encode(self, text, threads, variant):
        if variant == "encode_batch":
            return self.tokenizer.encode_batch(text.docs)[0]
        return [self.tokenizer.encode(d) for d in text.docs]


class BpeOpenai(Peer):
    def __init__(self, files):
        import bpe_openai

        self.tokenizer = bpe_openai.get_encoding(files["openai"])

    def encode(self, text, threads, variant):
        return [self.tokenizer.encode_ordinary(d) for d in text.docs]


class SentencePiece(Peer):
    def __init__(self, files):
        import sentencepiece

        self.tokenizer = sentencepiece.SentencePieceProcessor(model_file=files["spiece"])

    def encode(self, text, threads, variant):
        return self.tokenizer.encode(text.docs, num_threads=threads)


class BlingFire(Peer):
    VARIANTS = ["text_to_ids"]

    def __init__(self, files):
        import blingfire

        files["bert"]  # its models are inside the package
        self.package = blingfire
        self.model = blingfire.load_model(os.path.join(os.path.dirname(blingfire.__file__), "bert_base_tok.bin"))

    def encode(self, text, threads, variant):
        return [self.package.text_to_ids(self.model, d, len(d) + 1, 100, True) for d in text.docs]


class FlashTokenizer(Peer):
    def __init__(self, files):
        from flash_tokenizer import BertTokenizerFlash

        self.tokenizer = BertTokenizerFlash(files["bert"], do_lower_case=True)

    def encode(self, text, threads, variant):
        return [self.tokenizer(d, max_length=-1)["input_ids"] for d in text.docs]


def train_bpeasy(text, vocab_size):
    import bpeasy

    pattern = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+"  # it knows no look-ahead
    return len(bpeasy.train_bpe(iter(text.docs), pattern, 128, vocab_size))


def train_rustbpe(text, vocab_size):
    import rustbpe

    tokenizer = rustbpe.Tokenizer()
    tokenizer.train_from_iterator(iter(text.docs), vocab_size=vocab_size)
    return vocab_size


PEERS = {
    "tokenizers": HuggingFace, "gigatoken": Gigatoken, "tiktoken": Tiktoken, "tokie": Tokie, "kitoken": Kitoken, "fastokens": Fastokens,
    "iree-tokenizer": Iree, "rs-bpe": RsBpe, "bpe-openai": BpeOpenai, "sentencepiece": SentencePiece, "blingfire": BlingFire,
    "flash-tokenizer": FlashTokenizer,
}
TRAINERS = {"tokenizers": HuggingFace.train, "gigatoken": Gigatoken.train, "bpeasy": train_bpeasy, "rustbpe": train_rustbpe}


class Text:
    def __init__(self, path):
        self.path = path
        with open(path, "rb") as f:
            self.blob = f.read()
        self.bytes = self.blob.split(b"\0")
        self.docs = [d.decode() for d in self.bytes]
        self.size = sum(map(len, self.bytes))


class Worker:
    def __init__(self, name):
        self.name = name
        self.texts, self.loaded, self.encoded = {}, {}, {}

    def text(self, path):
        if path not in self.texts:
            self.texts[path] = Text(path)
        return self.texts[path]

    def peer(self, q):
        key = q["Tokenizer"]
        if key not in self.loaded:
            self.loaded[key] = PEERS[self.name](q["Files"])
        return self.loaded[key]

    def do(self, q):
        op = q["Op"]
        if op == "memory":
            with open("/proc/self/status") as f:
                return {"memory": next(int(line.split()[1]) << 10 for line in f if line.startswith("VmRSS"))}
        seconds, text = q.get("Seconds", 0), self.text(q["Text"]) if q.get("Text") else None
        if op == "load":
            return timed(seconds, lambda: PEERS[self.name](q["Files"]))
        if op == "train":
            sizes = []
            return {**timed(seconds, lambda: sizes.append(TRAINERS[self.name](text, q["VocabSize"]))), "bytes": text.size, "tokens": sizes[-1]}
        peer = self.peer(q)
        if op == "digest":
            h = hashlib.sha256()
            for ids in peer.ids(text):
                h.update(ids.tobytes() + len(ids).to_bytes(4, "little"))
            return {"digest": h.hexdigest()[:16]}
        if op == "decode":
            key = (q["Tokenizer"], q["Text"])
            if key not in self.encoded:
                self.encoded[key] = [ids.tolist() for ids in peer.ids(text)]
            return {**timed(seconds, lambda: peer.decode(self.encoded[key])), "bytes": text.size}
        if op == "encodings":
            return {**timed(seconds, lambda: peer.encode(text, 1, "encode_batch")), "bytes": text.size}
        if op == "offsets":
            return {**timed(seconds, lambda: peer.offsets(text)), "bytes": text.size}
        variant = q.get("Variant") or peer.VARIANTS[0]
        return {**timed(seconds, lambda: peer.encode(text, q.get("Threads", 1), variant)), "bytes": text.size}


def timed(seconds, work):
    """Times of one pass, of as many as fill the seconds."""
    passes, start, cpu = 0, time.perf_counter(), time.process_time()
    while True:
        work()
        passes += 1
        wall = time.perf_counter() - start
        if wall >= seconds:
            return {"wall": wall / passes, "cpu": (time.process_time() - cpu) / passes}


def main():
    worker = Worker(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what packages print is no answer
    for line in sys.stdin:
        try:
            answer = worker.do(json.loads(line))
        except BaseException as err:  # a panic of Rust is not an Exception
            answer = {"error": f"{type(err).__name__}: {str(err)[:200]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
