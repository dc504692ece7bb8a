"""Turns the measurements of run.py into tables of Markdown."""

import statistics

OURS = "shardmill"


def median(row, peer, clock):
    """Seconds of one run."""
    seconds = [a[clock] for a in row.results.get(peer, {}).values()]
    return statistics.median(seconds) if seconds else None


def rate(row, peer, clock):
    """Tokens, or examples, in a second."""
    seconds = median(row, peer, clock)
    return row.about[peer]["units"] / seconds if seconds else None


def ratio(row, peer, clock, of=OURS):
    """How often the time of `of` fits into that of peer."""
    ours = row.results.get(of, {})
    both = [a[clock] / ours[n][clock] for n, a in row.results.get(peer, {}).items() if n in ours]
    return statistics.median(both) if both else None


def decisive(row):
    """The clock that decides: of the processor with one thread, of the wall where threads work together."""
    return "wall" if row.threads > 1 else "cpu"


def fastest(row):
    """The other package that took least time."""
    others = [(median(row, p, decisive(row)), p) for p in row.results if p != OURS]
    return min(others)[1] if others else None


def number(x, digits=0):
    return "-" if x is None else f"{x:,.{digits}f}"


def times(x):
    return "-" if x is None else f"{x:.2f}x"


def same(row, peer):
    """How far a peer's result before the rounds is from ours: the part of the loss, or whether the texts are equal."""
    ours, theirs = row.about.get(OURS, {}), row.about.get(peer, {})
    if "loss" in ours and "loss" in theirs:
        return f"{abs(theirs['loss'] / ours['loss'] - 1):.0e}"
    return "equal" if ours.get("ids") == theirs.get("ids") else "other ids"


def speed(rows):
    out = ["## Speed", "", "Tokens in a second, in fine-tuning examples: of processor time with one thread, of the clock with two. Beside the fastest other package.", ""]
    out += ["| what | threads | shardmill | fastest other | its speed | ratio | ratio by the other clock |", "| --- | --: | --: | --- | --: | --: | --: |"]
    for row in rows:
        best, clock = fastest(row), decisive(row)
        if best and OURS in row.results:
            other = "cpu" if clock == "wall" else "wall"
            out.append(f"| {row.label} | {row.threads} | {number(rate(row, OURS, clock))} | {best} | {number(rate(row, best, clock))} "
                       f"| {times(ratio(row, best, clock))} | {times(ratio(row, best, other))} |")
    return [*out, ""]


def everything(rows):
    out = ["## Every package", "", "Wall and processor seconds of a run, which is so many tokens or examples. Difference: of the loss of the first minibatch before any update and without "
           "dropout, or of the generated ids.", ""]
    out += ["| what | threads | package | of a run | wall s | processor s | shardmill faster, processor | wall | difference |", "| --- | --: | --- | --: | --: | --: | --: | --: | --- |"]
    for row in rows:
        for peer in row.peers:
            if peer in row.results:
                last = "| | | |" if peer == OURS else f"| {times(ratio(row, peer, 'cpu'))} | {times(ratio(row, peer, 'wall'))} | {same(row, peer)} |"
                out.append(f"| {row.label} | {row.threads} | {peer} | {number(row.about[peer]['units'])} | {number(median(row, peer, 'wall'), 3)} "
                           f"| {number(median(row, peer, 'cpu'), 3)} {last}")
    return [*out, ""]


def peak(rows):
    out = ["## Share of the peak", "", "Floating-point operations of the model's matrices in a second of processor time, and their share of what the f32 tile of our matrix product reaches on data "
           "in the nearest cache, measured after each run: the highest of all rounds.", ""]
    out += ["| what | package | GFLOP/s | peak | share |", "| --- | --- | --: | --: | --: |"]
    for row in rows:
        for peer in row.results if row.peaks else []:
            flops = row.about[OURS]["flops"] / median(row, peer, "cpu")
            out.append(f"| {row.label} | {peer} | {flops / 1e9:.0f} | {max(row.peaks) / 1e9:.0f} | {flops / max(row.peaks):.2f} |")
    return [*out, ""]


def scaling(rows):
    out = ["## Two threads", "", "| what | package | wall s with one | with two | faster by |", "| --- | --- | --: | --: | --: |"]
    for two in rows:
        one = next((r for r in rows if r.threads == 1 and r.label == two.label), None)
        for peer in two.results if one and two.threads == 2 else []:
            pairs = [(a["wall"], one.results.get(peer, {}).get(n)) for n, a in two.results[peer].items()]
            pairs = [(b["wall"], a) for a, b in pairs if b]
            if pairs:
                a, b = (statistics.median(p[i] for p in pairs) for i in (0, 1))
                out.append(f"| {two.label} | {peer} | {a:.3f} | {b:.3f} | {statistics.median(x / y for x, y in pairs):.2f} |")
    return [*out, ""]


def memory(rows):
    out = ["## Memory", "", "Resident MB of a process after the rounds of one row, the package itself included.", ""]
    out += ["| what | threads | package | MB | highest | shardmill uses |", "| --- | --: | --- | --: | --: | --: |"]
    for row in rows:
        ours = row.memory.get(OURS)
        for peer, m in row.memory.items():
            part = "" if peer == OURS or not ours else times(ours["memory"] / m["memory"])
            out.append(f"| {row.label} | {row.threads} | {peer} | {number(m['memory'] / 1e6)} | {number(m['highest'] / 1e6)} | {part} |")
    return [*out, ""]


def report(rows, facts):
    out = ["# Speed of the trainer beside PyTorch", "", *facts, ""]
    for table in (speed, everything, peak, scaling, memory):
        out += table(rows)
    missing = [(row, peer, note) for row in rows for peer, note in row.notes.items()]
    if missing:
        out += ["## Not measured", "", *(f"- {peer}, {row.label}, {row.threads} threads: {note}" for row, peer, note in missing)]
    return "\n".join(out)
