"""Reads the events of a run with TensorBoard and holds them against metrics.jsonl.

    python conformance/trainer/events.py RUN
"""

import json
import math
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

run = pathlib.Path(sys.argv[1])
seen = EventAccumulator(str(run), size_guidance={"scalars": 0})
seen.Reload()
want = {}
for line in (run / "metrics.jsonl").read_text().splitlines():
    m = json.loads(line)
    if "eval_loss" in m:
        values = {"eval/loss": m["eval_loss"]} | {"eval/" + k: v for k, v in (m.get("eval_scores") or {}).items()}
    else:
        values = {"train/" + k: m[k] for k in ("loss", "learning_rate", "grad_norm", "tokens")}
    for tag, value in values.items():
        want.setdefault(tag, []).append((m["step"], value))
tags = set(seen.Tags()["scalars"])
assert tags == set(want), f"TensorBoard sees {sorted(tags)}, the run has {sorted(want)}"
for tag, values in want.items():
    got = [(e.step, e.value) for e in seen.Scalars(tag)]
    assert len(got) == len(values), f"{tag}: {len(got)} values, want {len(values)}"
    for (step, value), (want_step, want_value) in zip(got, values):
        assert step == want_step and math.isclose(value, want_value, rel_tol=1e-6), f"{tag}: {step} {value}, want {want_step} {want_value}"
print(f"TensorBoard reads {sum(map(len, want.values()))} values of {len(want)} scalars as {run}/metrics.jsonl has them")
