"""Measures shardmill's trainer beside PyTorch and transformers in one run, and prints tables of Markdown. See README.md; `make bench-trainer` runs it.

In each round every row of a group is measured for one package after another in an order that turns, so that what else the machine does strikes all of them.
Figures are medians over the rounds; a ratio is the median of the ratios of the rounds. Speed is never asserted.
"""

import argparse
import csv
import importlib.metadata
import itertools
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass, field

from report import report

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OURS, TORCH, COMPILED, PLAIN, BY_LENGTH = "shardmill", "torch", "torch.compile", "transformers", "transformers, by length"
IGNORE = -100
LIMIT_SECONDS = 400  # what takes longer is not measured
DIED = f"died, or took more than {LIMIT_SECONDS} s"

SMALL, BASE = dict(layers=4, width=256, heads=4, vocabulary=8192, positions=128), dict(layers=12, width=768, heads=12, vocabulary=30522, positions=512)


def bert(size, dropout, architecture="BertForMaskedLM"):
    return {"model_type": "bert", "architectures": [architecture], "vocab_size": size["vocabulary"], "hidden_size": size["width"], "num_hidden_layers": size["layers"],
            "num_attention_heads": size["heads"], "intermediate_size": 4 * size["width"], "hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout,
            "max_position_embeddings": size["positions"], "pad_token_id": 0}


def gpt(size, dropout):
    return {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": size["vocabulary"], "n_positions": size["positions"], "n_embd": size["width"],
            "n_layer": size["layers"], "n_head": size["heads"], "resid_pdrop": dropout, "embd_pdrop": dropout, "attn_pdrop": dropout,
            "bos_token_id": 0, "eos_token_id": 0}


MODELS = {
    "bert-small": bert(SMALL, 0.1),
    "bert-small-no-dropout": bert(SMALL, 0.0),
    "bert-base": bert(BASE, 0.1),
    "gpt-small": gpt(SMALL, 0.1),
    "gpt2-124m": gpt(BASE | {"vocabulary": 50257, "positions": 1024}, 0.1),
    "classifier-small": bert(SMALL | {"vocabulary": 30522}, 0.1, "BertForSequenceClassification"),
    "classifier-base": bert(BASE, 0.1, "BertForSequenceClassification"),
}


@dataclass
class Row:
    label: str
    model: str
    data: str
    work: str = "steps"
    threads: int = 1
    precision: str = "f32"
    repeats: int = 1
    tokens: int = 0  # of a generated text
    sequences: int = 0  # in a minibatch of an epoch
    peers: list = field(default_factory=lambda: [OURS, TORCH, COMPILED, PLAIN])
    about: dict = field(default_factory=dict)  # by peer: what it said of itself before the rounds
    results: dict = field(default_factory=dict)  # by peer: answers, by round
    peaks: list = field(default_factory=list)  # FLOP/s of our kernel, of each round
    memory: dict = field(default_factory=dict)  # by peer, after the rounds
    notes: dict = field(default_factory=dict)  # by peer: why there are none


class Worker:
    """A process that answers requests."""

    def __init__(self, command, env, log):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=env, text=True)

    def ask(self, **request):
        too_long = threading.Timer(LIMIT_SECONDS, self.process.kill)
        too_long.start()
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            too_long.cancel()
        return json.loads(line) if line else {"error": DIED}

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it has died, and was to be told more
        self.process.wait()


class Bench:
    def __init__(self, args):
        self.args = args
        self.folder = os.path.join(ROOT, "build", "bench-trainer")
        self.log = open(f"{self.folder}/peers.log", "w")

    # What is measured on what.

    def rows(self):
        """Rows that follow each other with one model are a group."""
        rows = []
        masked, causal, tuned = "masked-8192x32", "causal-8192x32", [OURS, PLAIN, BY_LENGTH]
        rows += [Row("BERT 4x256", "bert-small", masked, threads=n, repeats=2) for n in (1, 2)]
        rows.append(Row("BERT 4x256, no dropout", "bert-small-no-dropout", masked, repeats=2))
        rows += [Row("GPT 4x256", "gpt-small", causal, threads=n, repeats=2, peers=[OURS, TORCH, COMPILED]) for n in (1, 2)]
        rows.append(Row("BERT-base", "bert-base", "masked-30522x4", peers=[OURS, TORCH, COMPILED]))
        rows.append(Row("BERT 4x256, bf16", "bert-small", masked, precision="bf16", repeats=2))
        rows.append(Row("BERT-base, bf16", "bert-base", "masked-30522x4", precision="bf16", peers=[OURS, TORCH, COMPILED]))
        rows += [Row("fine-tuning 4x256 on SST-2", "classifier-small", "sst2-1280", work="epoch", threads=n, sequences=32, peers=tuned) for n in (1, 2)]
        rows.append(Row("fine-tuning BERT-base on SST-2", "classifier-base", "sst2-128", work="epoch", sequences=32, peers=tuned))
        rows += [Row("generation 4x256", "gpt-small", "prompt", work="generate", threads=n, repeats=8, tokens=64) for n in (1, 2)]
        rows += [Row("generation GPT-2 124M", "gpt2-124m", "prompt", work="generate", threads=n, tokens=64) for n in (1, 2)]
        for row in rows:
            row.peers = [p for p in row.peers if p != COMPILED or shutil.which("g++")]
            if self.args.quick:
                row.peers = row.peers if rows.index(row) == 0 else [p for p in row.peers if p != COMPILED]  # it takes half a minute each time
                row.repeats, row.data = 1, {"sst2-1280": "sst2-128"}.get(row.data, row.data)
            if self.args.threads:
                row.peers = row.peers if row.threads == self.args.threads else []
        return [r for r in rows if self.args.only in r.label and r.peers]

    def data_of(self, name):
        """Sequences by name: kind, vocabulary and number. The same at each call."""
        rng = random.Random(name)
        if name == "prompt":
            return [{"IDs": [rng.randrange(1000, 8000) for _ in range(32)]}]
        kind, size = name.split("-")
        if kind == "sst2":
            return self.sst2(int(size))
        vocabulary, count = map(int, size.split("x"))
        sequences = []
        for _ in range(count):
            ids = [rng.randrange(1, vocabulary) for _ in range(128)]
            labels = ids[1:] + [IGNORE]
            if kind == "masked":
                chosen = set(rng.sample(range(128), 19))  # 15 %
                labels = [rng.randrange(1, vocabulary) if i in chosen else IGNORE for i in range(128)]
            sequences.append({"IDs": ids, "Labels": labels})
        return sequences

    def sst2(self, count):
        """So many rows from all over the training set."""
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(f"{self.args.data}/tokenizers/bert-base-uncased/tokenizer.json")
        tokenizer.no_padding()
        tokenizer.enable_truncation(128)
        with open(f"{self.args.data}/tasks/sst2/train.tsv") as f:
            examples = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
        examples = examples[:: len(examples) // count][:count]
        return [{"IDs": tokenizer.encode(e["sentence"]).ids, "Target": int(e["label"])} for e in examples]

    def write(self, rows):
        for name in {r.data for r in rows}:
            with open(f"{self.folder}/{name}.json", "w") as f:
                json.dump(self.data_of(name), f)
        for name in sorted({r.model for r in rows}):
            folder = f"{self.folder}/models/{name}"
            if not os.path.exists(f"{folder}/model.safetensors"):
                os.makedirs(folder, exist_ok=True)
                config = f"{self.folder}/{name}.config.json"
                with open(config, "w") as f:
                    json.dump(MODELS[name], f)
                subprocess.run([sys.executable, os.path.join(HERE, "peers.py"), "make", config, folder], check=True, stderr=self.log, env=self.environment(2))

    # How it is measured.

    def environment(self, threads):
        env = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
        env.update(OMP_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1", TORCHINDUCTOR_CACHE_DIR=f"{self.folder}/inductor")
        # Memory that a step gives back is kept for the next one, so that the kernel need not clear its pages anew.
        env.update(MALLOC_MMAP_THRESHOLD_="17179869184", MALLOC_TRIM_THRESHOLD_="17179869184", MALLOC_TOP_PAD_="67108864")
        return env

    def start(self, row, peer):
        """A process that has the row loaded and has run it once, or none."""
        command = [f"{self.folder}/ours"] if peer == OURS else [sys.executable, os.path.join(HERE, "peers.py"), peer]
        worker = Worker(command, self.environment(row.threads), self.log)
        answer = worker.ask(Op="prepare", Work=row.work, Model=f"{self.folder}/models/{row.model}", Data=f"{self.folder}/{row.data}.json", Threads=row.threads,
                            Repeats=row.repeats, Tokens=row.tokens, Sequences=row.sequences, Precision=row.precision)
        if "error" in answer:
            row.notes[peer] = answer["error"]
            worker.close()
            return None
        row.about[peer] = answer
        return worker

    def run(self, rows):
        for _, group in itertools.groupby(rows, lambda r: (r.model, r.work, r.precision)):
            group, workers = list(group), {}
            for row in group:
                for peer in row.peers:
                    worker = self.start(row, peer)
                    if worker:
                        workers[row.label, row.threads, peer] = worker
                    elif peer == OURS:
                        break  # there is nothing to compare
            for n in range(self.args.rounds):
                for row in group:
                    self.round(row, n, workers)
            for row in group:
                for peer in row.peers:
                    worker = workers.get((row.label, row.threads, peer))
                    if worker and peer not in row.notes:
                        row.memory[peer] = worker.ask(Op="memory")
                    if worker:
                        worker.close()
            self.save(rows)

    def save(self, rows):
        """Writes what has been measured so far: a run that is stopped leaves something."""
        text = report(rows, self.facts())
        with open(f"{self.folder}/report.md", "w") as f:
            f.write(text + "\n")
        with open(f"{self.folder}/raw.json", "w") as f:
            json.dump({"facts": self.facts(), "rows": [asdict(r) for r in rows]}, f, indent=1)
        return text

    def round(self, row, n, workers):
        for peer in row.peers[n % len(row.peers) :] + row.peers[: n % len(row.peers)]:
            worker = workers.get((row.label, row.threads, peer))
            if worker is None or peer in row.notes:
                continue
            answer = worker.ask(Op="run")
            if "error" in answer:
                row.notes[peer] = answer["error"]
                continue
            row.results.setdefault(peer, {})[n] = answer
            if peer == OURS and row.work == "steps" and row.threads == 1:
                row.peaks.append(worker.ask(Op="peak")["peak"])
        shown = ", ".join(f"{p} {a[n]['wall']:.3f} s ({a[n]['cpu']:.3f})" for p, a in row.results.items() if n in a)
        print(f"round {n + 1}: {row.label}, {row.threads} threads: {shown or row.notes}", file=sys.stderr)

    def facts(self):
        cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
        flags = next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), "").split()
        go = subprocess.check_output(["go", "version"], text=True).split()[2]
        versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("torch", "transformers", "accelerate", "numpy"))
        has = lambda flag: f"{flag}: {'yes' if flag in flags else 'no'}"
        return [f"- {cpu}, {os.cpu_count()} processors, {has('avx512f')}, {has('avx512_bf16')}, {has('amx_bf16')}; load average {os.getloadavg()[0]:.1f}",
                f"- {go}, Python {platform.python_version()}, {versions}; {'g++ for torch.compile' if shutil.which('g++') else 'no compiler for torch.compile'}",
                f"- {self.args.rounds} rounds{', quick: too short to say anything' if self.args.quick else ''}"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default=os.environ.get("SHARDMILL_DATA", os.path.join(ROOT, "..", "shared", "data")))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="part of a row's label")
    parser.add_argument("--threads", type=int, default=0, help="only rows with so many threads")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that everything runs, measures nothing")
    args = parser.parse_args()
    if args.quick:
        args.rounds = 1
    bench = Bench(args)
    rows = bench.rows()
    bench.write(rows)
    bench.run(rows)
    print(bench.save(rows))


if __name__ == "__main__":
    main()
