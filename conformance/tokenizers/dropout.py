"""Writes tokenizers/testdata/reference_dropout.json: how often the reference cuts words in which way when it drops merges at random.

    /tmp/hf/bin/python conformance/tokenizers/dropout.py
"""

import collections
import json

import tokenizers
from tokenizers import Tokenizer

TOKENIZER = "bpe"
WORDS = ["the", " quick", "jumps over"]
RATES = [0.1, 0.5, 0.9]
SAMPLES = 200_000
RARE = 0.002  # ways below this share are counted together


def main():
    cases = []
    for rate in RATES:
        tok = Tokenizer.from_file(f"tokenizers/testdata/{TOKENIZER}.tokenizer.json")
        model = tok.model
        model.dropout = rate
        tok.model = model
        for word in WORDS:
            counts = collections.Counter(" ".join(e.tokens) for e in tok.encode_batch([word] * SAMPLES))
            shares = {cut: n / SAMPLES for cut, n in counts.most_common() if n / SAMPLES >= RARE}
            cases.append({"word": word, "rate": rate, "shares": shares})
    with open("tokenizers/testdata/reference_dropout.json", "w") as f:
        head = {"reference": tokenizers.__version__, "tokenizer": TOKENIZER, "samples": SAMPLES}
        f.write(json.dumps(head)[:-1] + ', "cases": [\n' + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]}\n")


if __name__ == "__main__":
    main()
