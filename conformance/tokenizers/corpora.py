"""Real texts for long comparisons and for measuring, always the same ones in the same order: documents of about 4 kB, cut between paragraphs or lines.

English novels, texts in 390 languages, and source code: of the data folder, of this repository and of Go's standard library.
"""

import bz2
import glob
import gzip
import io
import json
import os
import re
import subprocess

import zstandard

DOCUMENT_CHARS = 4000


def documents(paragraphs, joint="\n"):
    """Joins paragraphs to documents that end with the first paragraph that reaches DOCUMENT_CHARS."""
    kept, size = [], 0
    for p in paragraphs:
        kept.append(p)
        size += len(p)
        if size >= DOCUMENT_CHARS:
            yield joint.join(kept)
            kept, size = [], 0
    if size:
        yield joint.join(kept)


def json_lines(path):
    raw = open(path, "rb")
    if path.endswith(".zst"):
        raw = zstandard.ZstdDecompressor().stream_reader(raw)
    elif path.endswith(".gz"):
        raw = gzip.open(raw)
    for line in io.TextIOWrapper(raw, encoding="utf-8", newline="\n"):
        if line.strip():
            yield json.loads(line)


def novels(path):
    """Whole novels: the chapters of a book come one behind the other, with ids BOOK-001 and so on."""
    book, chapters = None, []
    for chapter in json_lines(path):
        name = chapter["id"].rpartition("-")[0]
        if name != book and chapters:
            yield "\n\n".join(chapters)
            chapters = []
        book = name
        chapters.append(chapter["text"])
    yield "\n\n".join(chapters)


def english_novels(data):
    return novels(f"{data}/corpora/eltec-eng.jsonl.zst")


def english(data):
    """99 novels, 65 MB."""
    for novel in english_novels(data):
        yield from documents(novel.split("\n\n"), "\n\n")


def web(data):
    """Pages of the web and news, 6 MB."""
    for path in ["CC-MAIN-20190717121559-20190717143559-00140.jsonl.gz", "c4-sample.1000.json.gz", "arxiv.jsonl"]:
        for page in json_lines(f"{data}/corpora/jsonl/{path}"):
            yield page["text"]
    yield from documents(open(f"{data}/corpora/text/lee_background.cor", encoding="utf-8", newline="").read().split("\n"))


def languages(data):
    """The Universal Declaration of Human Rights in 388 languages, 6 MB."""
    for path in sorted(glob.glob(f"{data}/corpora/multilingual/udhr2/*.txt")):
        yield from documents(open(path, encoding="utf-8", newline="").read().split("\n"))


def questions(data):
    """Paragraphs and questions of XQuAD in Arabic, Hindi, Chinese and German, 3 MB."""
    for language in ["ar", "hi", "zh", "de"]:
        with open(f"{data}/tasks/xquad/xquad.{language}.json", encoding="utf-8") as f:
            articles = json.load(f)["data"]
        for article in articles:
            parts = [t for p in article["paragraphs"] for t in [p["context"], *(q["question"] for q in p["qas"])]]
            yield from documents(parts)


def wikitext(data):
    """Wikipedia as its editors write it, in Latgalian and English: markup, tables, links to other languages; 9 MB."""
    pages = [open(f"{data}/corpora/wikipedia/smallwiki-latest-pages-articles.xml", encoding="utf-8").read()]
    pages.append(bz2.open(glob.glob(f"{data}/corpora/wikipedia/enwiki*.bz2")[0], "rt", encoding="utf-8").read())
    for xml in pages:
        for page in re.findall(r"<text[^>]*>([^<]*)</text>", xml):
            yield from documents(page.split("\n"))


def french(data):
    """17 novels, 9 MB."""
    for novel in novels(f"{data}/corpora/multilingual/eltec-fra-subset.jsonl.zst"):
        yield from documents(novel.split("\n\n"), "\n\n")


def multilingual(data):
    """Many languages and scripts, those that are not Latin first."""
    for source in (languages, questions, wikitext, french):
        yield from source(data)


def code(data):
    """Python, C++ and JavaScript, questions with code, then the Go of this repository and of the standard library: about 30 MB."""
    yield from (d["prompt"] + d["canonical_solution"] for d in json_lines(f"{data}/corpora/code/HumanEval.jsonl.gz"))
    for name in ["processed_human_eval_cpp", "processed_human_eval_js", "stack_exchange"]:
        for line in open(f"{data}/corpora/code/{name}.jsonl", encoding="utf-8"):
            yield "\n".join(v for v in json.loads(line).values() if isinstance(v, str))
    ours = subprocess.check_output(["git", "ls-files", "*.go", "*.py", "*.md", "*.s"]).decode().split("\n")[:-1]
    root = os.path.join(subprocess.check_output(["go", "env", "GOROOT"]).decode().strip(), "src")
    theirs = sorted(glob.glob("*/**/*.go", root_dir=root, recursive=True))
    for path in [*ours, *(os.path.join(root, p) for p in theirs if "testdata" not in p and not p.startswith("cmd/"))]:
        try:
            source = open(path, encoding="utf-8", newline="").read()
        except UnicodeDecodeError:  # a test of the standard library may hold any bytes
            continue
        yield from documents(source.split("\n"))
