"""Records what scipy, seqeval and the formulas of SQuAD's official evaluation give on random data, for trainer/metrics/testdata/recorded.json.

    python conformance/trainer/metrics.py trainer/metrics/testdata/recorded.json
"""

import collections
import json
import random
import re
import string
import sys
import warnings

from scipy.stats import pearsonr, spearmanr
from seqeval.metrics import classification_report, f1_score, precision_score, recall_score

warnings.filterwarnings("ignore")
rng = random.Random(7)


def pairs():
    for n in (2, 3, 10, 200):
        for steps in (3, 1000):
            t = [rng.randrange(steps) / 7 for _ in range(n)]
            p = [v * rng.choice([-1, 1, 1, 1]) + rng.randrange(steps) / 9 for v in t]
            if len(set(t)) > 1 and len(set(p)) > 1:
                yield {"Targets": t, "Predictions": p, "Pearson": float(pearsonr(t, p)[0]), "Spearman": float(spearmanr(t, p)[0])}


def tags():
    kinds = ["PER", "LOC", "a-b"]
    for alphabet in ("BI", "I", "BIES", "BIESO"):
        for _ in range(6):
            def sentence(n):
                return ["O" if rng.random() < 0.3 else rng.choice(alphabet.replace("O", "")) + "-" + rng.choice(kinds) for _ in range(n)]
            lengths = [rng.randrange(1, 12) for _ in range(8)]
            t = [sentence(n) for n in lengths]
            p = [[tag if rng.random() < 0.7 else other for tag, other in zip(s, sentence(len(s)))] for s in t]
            report = classification_report(t, p, output_dict=True)
            types = {k: {"precision": float(v["precision"]), "recall": float(v["recall"]), "f1": float(v["f1-score"]), "targets": int(v["support"])}
                     for k, v in report.items() if not k.endswith(" avg")}
            yield {"Targets": t, "Predictions": p, "Precision": float(precision_score(t, p)), "Recall": float(recall_score(t, p)), "F1": float(f1_score(t, p)), "Types": types}


# The measures of the official evaluation, from their description: lower case, no punctuation, no articles, single spaces; bags of words.
def words(s):
    s = "".join(c for c in s.lower() if c not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", s).split()


def answer(prediction, answers):
    answers = [a for a in answers if words(a)] or [""]
    exact = max(int(words(prediction) == words(a)) for a in answers)
    best = 0.0
    for a in answers:
        p, w = words(prediction), words(a)
        if not p or not w:
            best = max(best, float(p == w))
            continue
        shared = sum((collections.Counter(p) & collections.Counter(w)).values())
        if shared:
            precision, recall = shared / len(p), shared / len(w)
            best = max(best, 2 * precision * recall / (precision + recall))
    return exact, best


def answers():
    pieces = ["the", "a", "An", "cat", "Cat", "CAT,", "sat", "on", "mat.", "U.S.", "the-cat", "İzmir", "ΟΔΟΣ", "a_b", "“quoted”", "$5", "5", "\u00a0", "\u2003x", "naïve", "théâtre", "ß", "a's"]
    for _ in range(300):
        def text():
            return rng.choice([" ", "  "]).join(rng.choice(pieces) for _ in range(rng.randrange(0, 5)))
        prediction, right = text(), [text() for _ in range(rng.randrange(0, 4))]
        if right and rng.random() < 0.4:
            prediction = right[0].replace("the", "a")
        exact, f1 = answer(prediction, right)
        yield {"Prediction": prediction, "Answers": right, "Exact": exact, "F1": f1}


with open(sys.argv[1], "w") as f:
    json.dump({"Pairs": list(pairs()), "Tags": list(tags()), "Answers": list(answers())}, f, ensure_ascii=False, separators=(",", ":"))
    f.write("\n")
