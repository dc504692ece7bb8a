"""Compares training of package tokenizers with Hugging Face `tokenizers` on the same texts.

BPE merge lists and WordLevel vocabularies must be equal. Unigram vocabularies must be equal, and scores as near as those of two runs of the reference,
which adds up in another order each time and gives characters that it had dropped their scores in the order of a hash table. WordPiece of the reference,
and BPE with a suffix, number their characters in the order of a randomly seeded hash table and break ties by number: they are compared with
themselves too, and must be as near to ours as to themselves.

    /tmp/hf/bin/python conformance/tokenizers/compare_training.py [--data ../shared/data] [--only unigram] [--speed]
"""

import argparse
import glob
import json
import resource
import subprocess
import sys
import tempfile

import tokenizers
from tokenizers import BertWordPieceTokenizer, ByteLevelBPETokenizer, Regex, SentencePieceUnigramTokenizer, Tokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers


def rough(n):
    lines = subprocess.check_output(["go", "run", "./conformance/tokenizers/lines", "-n", str(n)]).decode().strip("\n").split("\n")
    return [json.loads(line)["text"] for line in lines]


def corpora(data):
    yield "tinyshakespeare", [open(f"{data}/corpora/tinyshakespeare.txt").read()], 5000
    languages = sorted(glob.glob(f"{data}/corpora/multilingual/udhr2/*.txt"))[::7]
    yield "udhr2", [open(p, encoding="utf-8", errors="replace", newline="").read() for p in languages], 12000
    articles = [open(p, encoding="utf-8", newline="").read().split("\n") for p in sorted(glob.glob(f"{data}/corpora/wikitext-2/*.txt"))]
    yield "wikitext-2", sum(articles, []), 20000
    yield "rough", rough(4000), 4000
    yield "repeats", ["aaaa aaa aa aaaaaaa abab ababab bababa aabb aabbaabb"] * 9 + ["abcabc abcab bcabca aaaabaaaab"] * 7, 300


def english(data, size):
    """About size bytes of English novels, cut into documents of some 8 kB."""
    import io

    import zstandard

    texts = []
    with open(f"{data}/corpora/eltec-eng.jsonl.zst", "rb") as f:
        for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(f), encoding="utf-8"):
            book = json.loads(line)["text"]
            texts += [book[i : i + 8000] for i in range(0, len(book), 8000)]
            size -= len(book)
            if size < 0:
                return texts


def merges_of(tok):
    return [m if isinstance(m, str) else " ".join(m) for m in json.loads(tok.to_str())["model"]["merges"]]


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def timed(train):
    start = cpu()
    tok = train()
    return tok, cpu() - start


class Ours:
    """Our trainer, and the texts to train on."""

    def __init__(self, folder, texts):
        subprocess.check_call(["go", "build", "-o", folder + "/", "./conformance/tokenizers/train"])
        self.folder = folder
        with open(f"{folder}/texts", "w") as f:
            for text in texts:
                f.write(json.dumps({"text": text}) + "\n")

    def train(self, template=None, **options):
        """Returns the tokenizer and the CPU seconds."""
        command = [self.folder + "/train", "-options", json.dumps(options)]
        if template is not None:
            template.save(f"{self.folder}/template.json")
            command += ["-template", f"{self.folder}/template.json"]
        done = subprocess.run(command, stdin=open(f"{self.folder}/texts"), capture_output=True)
        if done.returncode:
            raise Exception(done.stderr.decode())
        return Tokenizer.from_str(done.stdout.decode()), float(done.stderr.split()[1])


# The trainers of the reference, each with the options that make ours do the same.


def bpe(texts, size):
    tok = ByteLevelBPETokenizer()
    tok.train_from_iterator(texts, vocab_size=size, special_tokens=["<|endoftext|>"], show_progress=False)
    return tok


def wordpiece(texts, size):
    tok = BertWordPieceTokenizer(lowercase=True)
    tok.train_from_iterator(texts, vocab_size=size, show_progress=False)
    return tok


UNIGRAM_SPECIAL = ["<unk>", "<s>", "</s>", "<pad>"]


def unigram(texts, size, special=UNIGRAM_SPECIAL):
    tok = SentencePieceUnigramTokenizer()
    tok.train_from_iterator(texts, vocab_size=size, special_tokens=special, unk_token=special[0], show_progress=False)
    return tok


def wordlevel(texts, size):
    tok = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tok.pre_tokenizer = pre_tokenizers.Whitespace()
    tok.train_from_iterator(texts, trainers.WordLevelTrainer(vocab_size=size, special_tokens=["[UNK]", "[PAD]"], show_progress=False))
    return tok


def templates():
    """Tokenizers to train anew: name, a function that makes one, the reference's trainer, our options."""

    def modern():
        tok = Tokenizer(models.BPE())
        pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        tok.normalizer = normalizers.NFC()
        tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        tok.decoder = decoders.ByteLevel()
        tok.add_special_tokens(["<|begin|>", "<|end|>"])
        tok.post_processor = processors.TemplateProcessing(single="<|begin|> $A", pair="<|begin|> $A <|begin|> $B", special_tokens=[("<|begin|>", 0)])
        return tok

    yield "bpe nfc llama-3", modern, lambda n: trainers.BpeTrainer(
        vocab_size=n, min_frequency=2, special_tokens=["<|begin|>", "<|end|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False), {}

    def roberta():
        tok = Tokenizer(models.BPE())
        tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tok.add_special_tokens(["<s>", "<pad>", "</s>"])
        tok.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
        return tok

    yield "bpe roberta", roberta, lambda n: trainers.BpeTrainer(
        vocab_size=n, min_frequency=2, special_tokens=["<s>", "<pad>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False), {}

    def characters():
        tok = Tokenizer(models.BPE({"<unk>": 0}, [], unk_token="<unk>", fuse_unk=True))
        tok.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
        tok.pre_tokenizer = pre_tokenizers.Metaspace()
        tok.decoder = decoders.Metaspace()
        tok.add_special_tokens(["<unk>"])
        return tok

    yield "bpe metaspace", characters, lambda n: trainers.BpeTrainer(
        vocab_size=n, min_frequency=3, special_tokens=["<unk>"], initial_alphabet=list("åß"), max_token_length=7, show_progress=False
    ), {"MinFrequency": 3, "InitialAlphabet": "åß", "MaxTokenLength": 7}

    def pieces():
        tok = Tokenizer(models.Unigram([("<none>", 0.0)], 0))
        tok.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents()])
        tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.Metaspace(prepend_scheme="first")])
        tok.decoder = decoders.Metaspace()
        tok.add_special_tokens(["<none>"])
        return tok

    yield "unigram digits", pieces, lambda n: trainers.UnigramTrainer(
        vocab_size=n, special_tokens=["<none>"], unk_token="<none>", max_piece_length=7, shrinking_factor=0.6, n_sub_iterations=3, initial_alphabet=["ж"], show_progress=False
    ), {"MaxPieceLength": 7, "ShrinkingFactor": 0.6, "SubIterations": 3, "InitialAlphabet": "ж"}

    def words():
        tok = Tokenizer(models.WordLevel({"<none>": 0}, unk_token="<none>"))
        tok.normalizer = normalizers.Lowercase()
        tok.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        tok.add_special_tokens(["<none>", "<mask>"])
        return tok

    yield "wordlevel", words, lambda n: trainers.WordLevelTrainer(vocab_size=n, min_frequency=3, special_tokens=["<none>", "<mask>"], show_progress=False), {"MinFrequency": 3}


def anew(tok):
    """A tokenizer without added tokens, as transformers makes one to train: text that looks like a special token is ordinary text."""
    value = json.loads(tok.to_str())
    value["added_tokens"] = []
    return Tokenizer.from_str(json.dumps(value))


def same_parts(a, b):
    """Whether two tokenizers are the same but for their scores."""
    a, b = json.loads(a.to_str()), json.loads(b.to_str())
    for tok in a, b:
        if tok["model"]["type"] == "Unigram":
            tok["model"]["vocab"] = sorted(piece for piece, _ in tok["model"]["vocab"])
        tok["model"]["merges"] = [m.split(" ") if isinstance(m, str) else m for m in tok["model"].get("merges", [])]
    return a == b


class Report:
    def __init__(self):
        self.failed = False

    def line(self, name, what, ok, text, seconds, our_seconds):
        self.failed |= not ok
        print(f"{name:16} {what:16} {'' if ok else 'WRONG: '}{text}; CPU: reference {seconds:.2f} s, ours {our_seconds:.2f} s, {seconds / max(our_seconds, 1e-3):.1f} times", flush=True)

    def merges(self, name, what, want, seconds, got, our_seconds):
        a, b = merges_of(want), merges_of(got)
        first = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        equal = a == b and want.get_vocab() == got.get_vocab()
        self.line(name, what, equal, f"{len(a)} merges, {'equal' if equal else f'differ at {first}: {a[first:first + 3]} {b[first:first + 3]}'}", seconds, our_seconds)

    def vocabulary(self, name, what, want, seconds, got, our_seconds):
        equal = want.get_vocab() == got.get_vocab()
        self.line(name, what, equal, f"{want.get_vocab_size()} tokens, {'equal' if equal else 'differ'}", seconds, our_seconds)

    def near(self, name, what, runs, seconds, got, our_seconds):
        """got must be as near to each of the runs as these to each other."""
        runs, got = [set(r.get_vocab()) for r in runs], set(got.get_vocab())
        apart = max(len(x ^ y) // 2 for i, x in enumerate(runs) for y in runs[:i])
        ours = min(len(x ^ got) // 2 for x in runs)
        ok = ours <= apart and min(map(len, runs)) - apart <= len(got) <= max(map(len, runs)) + apart
        self.line(name, what, ok, f"{len(got)} tokens, {ours} not in the reference's, which differs from itself by up to {apart}", seconds, our_seconds)

    def unigram(self, name, what, runs, seconds, got, our_seconds, held_out):
        """Vocabularies must be equal as often as the reference's are, and scores and tokens of other text be as near."""

        def pieces(tok):
            return dict(json.loads(tok.to_str())["model"]["vocab"])

        def distance(a, b):
            x, y = pieces(a), pieces(b)
            return len(set(x) ^ set(y)) // 2, max(abs(x[p] - y[p]) for p in x if p in y)

        def tokens(tok):
            return sum(len(tok.encode(text, add_special_tokens=False).ids) for text in held_out)

        among = [distance(a, b) for i, a in enumerate(runs) for b in runs[:i]]
        ours = [distance(got, r) for r in runs]
        counts = [tokens(r) for r in runs]
        lost, score = max(d[0] for d in ours), max(d[1] for d in ours)
        # The step between scores of dropped characters times their number is what an order of them can make of a score.
        slack = 1e-4 * len(set("".join(pieces(got))))
        ok = lost <= max(d[0] for d in among) and score <= max(d[1] for d in among) + slack and abs(tokens(got) - counts[0]) <= max(counts) - min(counts) + 1e-4 * counts[0]
        self.line(name, what, ok, f"{len(pieces(got))} pieces, {lost} not in the reference's (of itself {max(d[0] for d in among)}), scores within {score:.1g} (of itself {max(d[1] for d in among):.1g}), "
                  f"{tokens(got)} tokens of other text (reference {min(counts)} to {max(counts)})", seconds, our_seconds)


def compare(data, only):
    report = Report()
    held_out = open(f"{data}/corpora/tinyshakespeare.txt").read()[-100000:].split("\n\n")
    with tempfile.TemporaryDirectory() as folder:
        for name, texts, size in corpora(data):
            ours = Ours(folder, texts)
            if only in ("", "bpe"):
                report.merges(name, "bpe", *timed(lambda: bpe(texts, size)), *ours.train(Model="bpe", VocabSize=size))
            if only in ("", "wordpiece"):
                runs = [timed(lambda: wordpiece(texts, size)) for _ in range(4)]
                report.near(name, "wordpiece", [r[0] for r in runs], runs[0][1], *ours.train(Model="wordpiece", VocabSize=size, Lowercase=True))
            if only in ("", "unigram"):
                runs = [timed(lambda: unigram(texts, size)) for _ in range(3)]
                report.unigram(name, "unigram", [r[0] for r in runs], runs[0][1], *ours.train(Model="unigram", VocabSize=size), held_out)
            if only in ("", "wordlevel"):
                report.vocabulary(name, "wordlevel", *timed(lambda: wordlevel(texts, size)), *ours.train(Model="wordlevel", VocabSize=size))
            if only in ("", "templates"):
                compare_templates(report, ours, name, texts, size)
    return report.failed


def compare_templates(report, ours, name, texts, size):
    for what, make, trainer, options in templates():
        template = make()
        want = anew(template)
        got, our_seconds = ours.train(template=template, VocabSize=size, Workers=2, MemoryBytes=1 << 20, **options)
        _, seconds = timed(lambda: want.train_from_iterator(texts, trainer(size)))
        equal = same_parts(want, got)
        encoded = all(want.encode(t).ids == got.encode(t).ids for t in texts[:50]) or "unigram" in what
        report.line(name, what, equal and encoded, f"{want.get_vocab_size()} tokens, {'equal' if equal and encoded else 'differ'}", seconds, our_seconds)


def published(data):
    """Trains published tokenizers anew, as train_new_from_iterator of transformers does; holds vocabularies and encodings equal."""
    report = Report()
    texts = english(data, 300_000)
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(folder, texts)
        subprocess.check_call(["go", "build", "-o", folder + "/", "./conformance/tokenizers/encode"])
        for path in sorted(glob.glob(f"{data}/tokenizers/*/tokenizer.json")):
            template = Tokenizer.from_file(path)
            value = json.loads(template.to_str())
            model, special = value["model"], [t["content"] for t in value["added_tokens"] if t["special"]]
            size = 3000
            options = {"vocab_size": size, "special_tokens": special, "show_progress": False}
            for setting in "continuing_subword_prefix", "end_of_word_suffix":
                if model.get(setting):
                    options[setting] = model[setting]
            if model["type"] == "Unigram":
                trainer = trainers.UnigramTrainer(unk_token=model["vocab"][model["unk_id"]][0], **options)
            elif model["type"] == "WordPiece":
                trainer = trainers.WordPieceTrainer(min_frequency=2, limit_alphabet=1000, **options)
            else:
                byte_level = "ByteLevel" in json.dumps(value["pre_tokenizer"])
                if model.get("byte_fallback"):  # ours makes these tokens, so that there is something to fall back to
                    options["special_tokens"] = special + [f"<0x{b:02X}>" for b in range(256)]
                trainer = trainers.BpeTrainer(min_frequency=2, initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if byte_level else [], **options)
            want = anew(template)
            _, seconds = timed(lambda: want.train_from_iterator(texts, trainer))
            got, our_seconds = ours.train(template=template, VocabSize=size)
            same = len(set(want.get_vocab()) ^ set(got.get_vocab())) // 2
            got.no_truncation()
            got.no_padding()
            got.save(f"{folder}/trained.json")
            with open(f"{folder}/sample", "w") as f:
                f.writelines(json.dumps({"text": t[:1000]}) + "\n" for t in texts)
            out = subprocess.check_output([f"{folder}/encode", f"{folder}/trained.json"], stdin=open(f"{folder}/sample")).decode().strip().split("\n")
            encoded = all(json.loads(line)["ids"] == got.encode(t[:1000]).ids for line, t in zip(out, texts))
            report.line(path.split("/")[-2][:16], model["type"], encoded and same <= (5 if model["type"] == "WordPiece" else 0), f"{got.get_vocab_size()} tokens, {same} differ, encodings {'equal' if encoded else 'DIFFER'}", seconds, our_seconds)
    return report.failed


def speed(data):
    """CPU seconds on 50 MB of English, run by turns."""
    texts = english(data, 50_000_000)
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(folder, texts)
        for _ in range(3):
            report.merges("50 MB English", "bpe 30,000", *timed(lambda: bpe(texts, 30000)), *ours.train(Model="bpe", VocabSize=30000))
        report.line("50 MB English", "wordpiece 30,000", True, "not compared", timed(lambda: wordpiece(texts, 30000))[1], ours.train(Model="wordpiece", VocabSize=30000, Lowercase=True)[1])
    return report.failed


TEMPLATE_TEXTS, TEMPLATE_SIZE = 120, 900  # known to TestTrainFromTemplates


def record():
    """What plain go test compares with: words whose counts leave no ties to break for WordPiece, rough texts for the others."""
    texts = rough(1200)[512:]
    words = "banana bandana Ananas cabana Havana savanna nirvana cabbage baggage package".split()
    counted = {w: 3**k + 40 for k, w in enumerate(words)}
    counted_texts = [" ".join([w] * n) for w, n in counted.items()]
    vocabularies = [sorted(wordpiece(counted_texts, 60).get_vocab()) for _ in range(8)]
    assert all(v == vocabularies[0] for v in vocabularies), "the reference broke ties"
    shapes = []
    for what, make, trainer, options in templates():
        template = make().to_str()
        tok = anew(make())
        tok.train_from_iterator(texts[:TEMPLATE_TEXTS], trainer(TEMPLATE_SIZE))
        shapes.append({"name": what, "template": json.loads(template), "options": options, "trained": json.loads(tok.to_str())})
    with open("tokenizers/testdata/reference_training.json", "w") as f:
        value = {"reference": tokenizers.__version__, "merges": merges_of(bpe(texts, 500)), "words": counted, "vocabulary": vocabularies[0],
                 "pieces": json.loads(unigram(texts, 2500, ["<none>"]).to_str())["model"]["vocab"], "wordlevel": sorted(wordlevel(texts, 300).get_vocab().items(), key=lambda e: e[1])}
        json.dump(value, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")
    with open("tokenizers/testdata/reference_templates.json", "w") as f:
        json.dump(shapes, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--record", action="store_true", help="write what plain go test compares with, and stop")
    parser.add_argument("--only", default="", help="bpe, wordpiece, unigram, wordlevel or templates")
    parser.add_argument("--published", action="store_true", help="train published tokenizers anew (needs package zstandard)")
    parser.add_argument("--speed", action="store_true", help="compare CPU time on 50 MB (needs package zstandard)")
    args = parser.parse_args()
    if args.record:
        record()
        return
    print(f"reference: tokenizers {tokenizers.__version__}")
    failed = speed(args.data) if args.speed else published(args.data) if args.published else compare(args.data, args.only)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
