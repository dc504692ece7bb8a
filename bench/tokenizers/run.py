"""Measures package tokenizers beside other tokenizers in one run, and prints tables of Markdown. See README.md; `make bench-tokenizers` runs it.

Every measurement of a row is made in each round, one tokenizer after another in an order that turns, so that what else the machine does strikes all of them.
Figures are medians over the rounds; a ratio is the median of the ratios of the rounds. Speed is never asserted.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "conformance", "tokenizers"))

import compare  # noqa: E402
import corpora  # noqa: E402
from peers import PEERS, TRAINERS  # noqa: E402

OURS, PORTABLE, HF, GIGATOKEN, SUGARME = "shardmill", "shardmill portable", "tokenizers", "gigatoken", "sugarme"
WARM, COLD_ENGLISH, COLD_MULTILINGUAL, NOVELS, SLOW = 4_000_000, 50_000_000, 20_000_000, 8_000_000, 200_000  # bytes
WARM_SECONDS = 0.3  # a fast tokenizer repeats a text for so long
SPECIAL = ["\0", "<|", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "<s>", "</s>", "<unk>", "<pad>", "<extra_id"]
LIMIT_SECONDS = 120  # what takes longer is not measured
DIED = f"died, or took more than {LIMIT_SECONDS} s"


@dataclass
class Row:
    label: str
    tokenizer: str
    text: str
    op: str = "encode"
    threads: int = 1
    peers: list = field(default_factory=lambda: [OURS, HF, GIGATOKEN])
    options: dict = field(default_factory=dict)
    cold: bool = False
    results: dict = field(default_factory=dict)  # by peer: answers, one for each round
    notes: dict = field(default_factory=dict)  # by peer: why there are none


class Worker:
    """A process that answers requests."""

    def __init__(self, command, env):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, text=True)

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
        self.folder = os.path.join(ROOT, "build", "bench-tokenizers")
        self.scale = 0.02 if args.quick else 1
        self.files, self.texts, self.shares = {}, {}, {}
        self.workers, self.variants, self.digests = {}, {}, {}
        self.dead = set()  # peers that are not asked again

    # What is measured on what.

    def make_tokenizers(self):
        data, rank = self.args.data + "/tokenizers", {name.split("/")[-1]: name for name in compare.PATTERNS}
        self.files = {
            "gpt2": {"json": f"{data}/gpt2/tokenizer.json", "ranks": f"{data}/tiktoken/r50k_base.tiktoken", "pattern": compare.PATTERNS["tiktoken/r50k_base"]},
            "llama-3": {"json": f"{data}/llama-3-8b-instruct/tokenizer.json", "ranks": f"{data}/llama-3-8b-instruct/tiktoken.model",
                        "pattern": compare.PATTERNS["tiktoken/cl100k_base"]},
            "llama-2": {"json": f"{data}/llama-2/tokenizer.json", "spiece": f"{data}/llama-2/tokenizer.model"},
            "bert-uncased": {"json": f"{data}/bert-base-uncased/tokenizer.json", "bert": f"{data}/bert-base-uncased/vocab.txt"},
            "t5": {"json": f"{data}/t5-base/tokenizer.json", "spiece": f"{data}/t5-base/spiece.model"},
        }
        for name, ranks, openai in [("qwen2", "qwen", None), ("o200k", "o200k_base", "o200k_base")]:
            path, source = f"{self.folder}/{name}.json", f"{data}/{rank[ranks]}.tiktoken"
            pattern = compare.PATTERNS[rank[ranks]]
            with open(path, "w") as f:
                f.write(compare.from_ranks(source, pattern))
            self.files[name] = {"json": path, "ranks": source, "pattern": pattern, **({"openai": openai} if openai else {})}

    def write_text(self, name, docs, size, spread=False):
        """Keeps documents up to size bytes; where they are spread, from all over the source. Those with text of special tokens, of which packages make this
        or that, are left out."""
        docs = [d for d in docs if not any(special in d for special in SPECIAL)]
        size = int(size * self.scale)
        if spread:
            docs = docs[:: max(1, sum(map(len, docs)) // size)]
        kept, total = [], 0
        for d in filter(None, docs):
            kept.append(d.encode())
            total += len(kept[-1])
            if total >= size:
                break
        blob = b"\0".join(kept)
        self.texts[name] = f"{self.folder}/{name}.txt"
        with open(self.texts[name], "wb") as f:
            f.write(blob)
        self.shares[name] = (len(kept), total, sum(b > 127 for b in blob) / total)

    def make_texts(self):
        data = self.args.data
        english = list(corpora.english(data))
        self.write_text("english", english, WARM, spread=True)
        self.write_text("english-50MB", english, COLD_ENGLISH)
        self.write_text("novels", corpora.english_novels(data), NOVELS)
        many = [*corpora.languages(data), *corpora.questions(data)]
        self.write_text("multilingual", many, WARM, spread=True)
        self.write_text("multilingual-20MB", [*many, *corpora.french(data), *corpora.wikitext(data)], COLD_MULTILINGUAL)
        self.write_text("code", corpora.code(data), WARM, spread=True)
        self.write_text("english-slow", english, SLOW / self.scale, spread=True)

    def rows(self):
        others = [p for p in PEERS if p not in (HF, GIGATOKEN)]
        rows = []
        for text in ("english", "code", "multilingual"):
            rows.append(Row("GPT-2", "gpt2", text, peers=[OURS, PORTABLE, HF, GIGATOKEN, *others]))
            rows.append(Row("GPT-2, 2 threads", "gpt2", text, threads=2))
        rows.append(Row("GPT-2, whole novels", "gpt2", "novels"))
        rows.append(Row("GPT-2, whole novels, 2 threads", "gpt2", "novels", threads=2))
        rows.append(Row("GPT-2, novels one by one, 2 threads", "gpt2", "novels", threads=2, peers=[OURS], options={"Parallel": True}))
        for name, label in [("llama-3", "Llama-3"), ("qwen2", "Qwen2"), ("o200k", "o200k"), ("llama-2", "Llama-2")]:
            rows.append(Row(label, name, "english", peers=[OURS, HF, GIGATOKEN, *others]))
        rows.append(Row("Llama-3", "llama-3", "code"))
        rows.append(Row("Llama-3", "llama-3", "multilingual"))
        for text in ("english", "multilingual"):
            rows.append(Row("BERT", "bert-uncased", text, peers=[OURS, PORTABLE, HF, *others]))
        rows.append(Row("BERT, 2 threads", "bert-uncased", "english", threads=2, peers=[OURS, HF]))
        for text in ("english", "multilingual"):
            rows.append(Row("T5", "t5", text, peers=[OURS, HF, *others]))
        rows.append(Row("GPT-2, byte offsets", "gpt2", "english", op="offsets", peers=[OURS, HF, "tokie"]))
        for name, label in [("gpt2", "GPT-2"), ("bert-uncased", "BERT"), ("t5", "T5")]:
            rows.append(Row(f"{label}, code-point offsets", name, "english", op="offsets", peers=[OURS, HF], options={"Runes": True}))
        for name, label in [("gpt2", "GPT-2"), ("bert-uncased", "BERT")]:
            rows.append(Row(f"{label}, encodings", name, "english", op="encodings", peers=[OURS, HF]))
        rows.append(Row("GPT-2, decode", "gpt2", "english", op="decode", peers=[OURS, HF, GIGATOKEN, "tiktoken"]))
        rows.append(Row("GPT-2", "gpt2", "english-slow", peers=[OURS, HF, SUGARME]))
        rows.append(Row("BERT", "bert-uncased", "english-slow", peers=[OURS, HF, SUGARME]))
        cold = {"cold": True}
        rows.append(Row("GPT-2, cold", "gpt2", "english-50MB", peers=[OURS, PORTABLE, HF, GIGATOKEN, "tiktoken", "tokie", "fastokens"], **cold))
        rows.append(Row("GPT-2, cold", "gpt2", "multilingual-20MB", peers=[OURS, PORTABLE, HF, GIGATOKEN, "tiktoken", "tokie", "fastokens"], **cold))
        rows.append(Row("BERT, cold", "bert-uncased", "english-50MB", peers=[OURS, HF], **cold))
        rows.append(Row("BERT, cold", "bert-uncased", "multilingual-20MB", peers=[OURS, HF], **cold))
        rows.append(Row("train BPE, 30,000 tokens", "", "english-50MB", op="train", peers=[OURS, *TRAINERS], options={"VocabSize": 30000 if self.scale == 1 else 1000}, **cold))
        rows.append(Row("load Llama-3", "llama-3", "", op="load"))
        for row in rows:
            row.peers = [p for p in row.peers if p in (OURS, PORTABLE, HF) or not self.args.peers or p in self.args.peers.split(",")]
        return [r for r in rows if self.args.only in f"{r.label} {r.text}"]

    # How it is measured.

    def start(self, peer, threads):
        env = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
        env.update(RAYON_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="true" if threads > 1 else "false")
        if peer == PORTABLE:
            env["SHARDMILL_SIMD"] = "portable"
        if peer in (OURS, PORTABLE, SUGARME):
            return Worker([os.path.join(self.folder, "sugarme" if peer == SUGARME else "ours")], env)
        return Worker([sys.executable, os.path.join(HERE, "peers.py"), peer], env)

    def request(self, row, peer):
        files = self.files.get(row.tokenizer, {})
        q = {"Op": row.op, "Tokenizer": files.get("json", ""), "Files": files, "Text": self.texts.get(row.text, ""), "Threads": row.threads, **row.options}
        if (row.tokenizer, peer) in self.variants:
            q["Variant"] = self.variants[row.tokenizer, peer]
        return q

    def measure(self, row, peer):
        if peer in self.dead:
            return {"error": DIED}
        q = self.request(row, peer)
        if row.cold:
            worker = self.start(peer, row.threads)
            if row.op == "encode":  # loads tokenizer and package, on a text that holds nothing that matters
                empty = os.path.join(self.folder, "empty.txt")
                with open(empty, "w") as f:
                    f.write(".")
                worker.ask(**{**q, "Text": empty})
            answer = worker.ask(**q)
            worker.close()
            return answer
        key = (peer, row.threads)
        if key not in self.workers:
            self.workers[key] = self.start(peer, row.threads)
        answer = self.workers[key].ask(**q, Seconds=WARM_SECONDS * (1 if self.scale == 1 else 0.1))
        if answer.get("error") == DIED:
            self.workers.pop(key).close()
            self.dead.add(peer)
        return answer

    def settle(self, row):
        """Finds the best variant of each peer for a tokenizer, and whether its ids are ours; it also fills caches."""
        for peer in row.peers:
            if row.cold or row.op != "encode":
                continue
            if peer in PEERS and (row.tokenizer, peer) not in self.variants:
                best = None
                for variant in PEERS[peer].VARIANTS:
                    self.variants[row.tokenizer, peer] = variant
                    a = self.measure(row, peer)
                    if "error" in a:
                        row.notes[peer] = a["error"]
                    elif best is None or a["cpu"] < best[0]:
                        best = a["cpu"], variant
                if best:
                    row.notes.pop(peer, None)
                    self.variants[row.tokenizer, peer] = best[1]
            if peer not in (PORTABLE, SUGARME) and peer not in row.notes:
                answer = self.measure(Row("", row.tokenizer, row.text, op="digest", threads=row.threads), peer)
                self.digests[row.tokenizer, row.text, peer] = answer.get("digest", answer.get("error"))

    def run(self, rows):
        for row in rows:
            self.settle(row)
        for n in range(self.args.rounds):
            for row in rows:
                if row.cold and n >= self.args.cold_rounds or row.op == "train" and n > 0:
                    continue
                peers = row.peers[n % len(row.peers) :] + row.peers[: n % len(row.peers)]
                for peer in peers:
                    if peer in row.notes:
                        continue
                    answer = self.measure(row, peer)
                    if "error" in answer:
                        row.notes[peer] = answer["error"]
                    row.results.setdefault(peer, {})[n] = answer
                print(f"round {n + 1}: {row.label}, {row.text}: " + ", ".join(self.shown(row, p) for p in row.peers if p in row.results), file=sys.stderr)
        for worker in self.workers.values():
            worker.close()

    def memory(self):
        """Resident bytes of a process that has read the text, then loaded GPT-2, then encoded the text."""
        found = {}
        for peer in (OURS, HF, GIGATOKEN, "tiktoken"):
            worker = self.start(peer, 1)
            row = Row("", "gpt2", "english")
            q = self.request(row, peer)
            at_start = worker.ask(Op="memory")
            answer = worker.ask(**q)
            after = worker.ask(Op="memory")
            worker.close()
            if "error" not in answer:
                found[peer] = at_start["memory"] / 1e6, after["memory"] / 1e6
        return found

    # What is said of it.

    @staticmethod
    def cost(row, answer):
        """Seconds of one pass: of the clock where threads work together, else of the processor."""
        return answer["wall" if row.threads > 1 else "cpu"]

    def speed(self, row, peer):
        """Median MB/s; seconds for what has no text."""
        costs = [self.cost(row, a) for a in row.results.get(peer, {}).values() if "error" not in a]
        if not costs:
            return None
        size = next((a["bytes"] for a in row.results[peer].values() if a.get("bytes")), 0)
        return size / 1e6 / statistics.median(costs) if size and row.op != "train" else statistics.median(costs)

    def ratio(self, row, peer, of=OURS):
        both = [(row.results[of][n], a) for n, a in row.results.get(peer, {}).items() if n in row.results.get(of, {})]
        both = [self.cost(row, b) / self.cost(row, a) for a, b in both if "error" not in a and "error" not in b]
        return statistics.median(both) if both else None

    def shown(self, row, peer):
        speed = self.speed(row, peer)
        if speed is None:
            return f"{peer} -"
        return f"{peer} {speed:.3f} s" if row.op in ("train", "load") else f"{peer} {speed:.1f}"

    def tables(self, rows, memory):
        number = lambda x, digits=1: "-" if x is None else f"{x:,.{digits}f}"
        times = lambda x: "-" if x is None else f"{x:.3g}x" if x < 10 else f"{x:.0f}x"
        out = self.facts()
        out += ["## Speed", "", "MB/s of processor time with one thread, of the clock with two.", ""]
        out += ["| tokenizer | text | shardmill | Hugging Face | ratio | gigatoken | ratio |", "| --- | --- | --: | --: | --: | --: | --: |"]
        for row in rows:
            if row.op in ("train", "load") or SUGARME in row.peers:
                continue
            out.append(f"| {row.label} | {row.text} | {number(self.speed(row, OURS))} | {number(self.speed(row, HF))} | {times(self.ratio(row, HF))} "
                       f"| {number(self.speed(row, GIGATOKEN))} | {times(self.ratio(row, GIGATOKEN))} |")
        for row in rows:
            if PORTABLE in row.results:
                out.append(f"| {row.label}, without assembly | {row.text} | {number(self.speed(row, PORTABLE))} | {number(self.speed(row, HF))} "
                           f"| {times(self.ratio(row, HF, PORTABLE))} | {number(self.speed(row, GIGATOKEN))} | {times(self.ratio(row, GIGATOKEN, PORTABLE))} |")
        out += ["", "## Two threads", "", "| tokenizer | text | package | 1 thread, MB/s of the clock | 2 threads | scaling |", "| --- | --- | --- | --: | --: | --: |"]
        for two in rows:
            one = next((r for r in rows if r.threads == 1 and (r.label + ", 2 threads", r.text) == (two.label, two.text)), None)
            for peer in two.peers if one else []:
                walls = [(one.results.get(peer, {}).get(n), a) for n, a in two.results.get(peer, {}).items()]
                walls = [(a["wall"], b["wall"], b["bytes"]) for a, b in walls if a and "error" not in a and "error" not in b]
                if walls:
                    mid = [statistics.median(w[i] for w in walls) for i in (0, 1)]
                    scaling = statistics.median(a / b for a, b, _ in walls)
                    out.append(f"| {one.label} | {two.text} | {peer} | {number(walls[0][2] / 1e6 / mid[0])} | {number(walls[0][2] / 1e6 / mid[1])} | {scaling:.2f} |")
        out += ["", "## Seconds of processor time", "", "| what | text | package | seconds | shardmill is faster by |", "| --- | --- | --- | --: | --: |"]
        for row in rows:
            for peer in row.peers if row.op in ("train", "load") else []:
                if peer in row.results and peer not in row.notes:
                    out.append(f"| {row.label} | {row.text} | {peer} | {number(self.speed(row, peer), 3)} | {times(self.ratio(row, peer))} |")
        out += ["", "## Every package, one thread", "", "Equal ids: whether the package gives the ids that shardmill gives.", ""]
        out += ["| tokenizer | text | package | call | MB/s | shardmill is faster by | equal ids |", "| --- | --- | --- | --- | --: | --: | --- |"]
        for row in rows:
            if row.op != "encode" or row.threads > 1 or row.cold or len(row.peers) < 3:
                continue
            for peer in row.peers:
                if peer in row.results and peer not in row.notes and peer != PORTABLE:
                    mine, theirs = (self.digests.get((row.tokenizer, row.text, p)) for p in (OURS, peer))
                    same = "-" if theirs is None else "yes" if mine == theirs else "no"
                    out.append(f"| {row.label} | {row.text} | {peer} | {self.variants.get((row.tokenizer, peer), '')} | {number(self.speed(row, peer))} "
                               f"| {times(self.ratio(row, peer))} | {same} |")
        out += ["", "## Memory", "", "| package | resident MB at the start | after GPT-2 has encoded the English text |", "| --- | --: | --: |"]
        out += [f"| {peer} | {a:.0f} | {b:.0f} |" for peer, (a, b) in memory.items()]
        refused = sorted({(peer, row.tokenizer or row.op, note) for row in rows for peer, note in row.notes.items() if not note.startswith("KeyError")})
        if refused:
            out += ["", "## Not measured", "", *(f"- {peer}, {what}: {note}" for peer, what, note in refused)]
        return "\n".join(out)

    def facts(self):
        cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
        flags = next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), "")
        go = subprocess.check_output(["go", "version"], text=True).split()[2]
        versions = []
        for package in [*PEERS, *(t for t in TRAINERS if t not in PEERS)]:
            try:
                versions.append(f"{package} {importlib.metadata.version(package)}")
            except importlib.metadata.PackageNotFoundError:
                versions.append(f"{package} (does not install here)")
        out = ["# Speed of package tokenizers beside its peers", ""]
        out += [f"- {cpu}, {os.cpu_count()} processors, AVX-512: {'yes' if 'avx512bw' in flags else 'no'}; load average {os.getloadavg()[0]:.1f}",
                f"- {go}, Python {platform.python_version()}; {self.args.rounds} rounds, cold ones {min(self.args.rounds, self.args.cold_rounds)}, training once",
                f"- {', '.join(versions)}; sugarme/tokenizer 0.3.0", ""]
        out += ["| text | documents | bytes | not ASCII |", "| --- | --: | --: | --: |"]
        out += [f"| {name} | {n} | {size:,} | {share:.1%} |" for name, (n, size, share) in self.shares.items()]
        return [*out, ""]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default=os.environ.get("SHARDMILL_DATA", os.path.join(ROOT, "..", "shared", "data")))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cold-rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a row's label and text")
    parser.add_argument("--peers", default="", help="names with commas between: measures these and Hugging Face alone")
    parser.add_argument("--quick", action="store_true", help="small texts and one round: shows that everything runs, measures nothing")
    args = parser.parse_args()
    if args.quick:
        args.rounds = args.cold_rounds = 1
    bench = Bench(args)
    bench.make_tokenizers()
    bench.make_texts()
    rows = bench.rows()
    bench.run(rows)
    report = bench.tables(rows, bench.memory())
    with open(f"{bench.folder}/report.md", "w") as f:
        f.write(report + "\n")
    with open(f"{bench.folder}/raw.json", "w") as f:
        json.dump([{"label": r.label, "tokenizer": r.tokenizer, "text": r.text, "threads": r.threads, "op": r.op, "results": r.results, "notes": r.notes} for r in rows], f, indent=1)
    print(report)


if __name__ == "__main__":
    main()
