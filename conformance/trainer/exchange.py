"""Moves models between shardmill and transformers and compares what they predict.

    python3 -m venv venv && venv/bin/pip install torch transformers sentence-transformers
    venv/bin/python conformance/trainer/exchange.py

Run it from the root of the repository; it builds the small program beside it with Go. For GPT-2 and
Llama, with embeddings tied and not, and for BERT, RoBERTa and DistilBERT with each head: transformers saves a model that
shardmill reads; shardmill writes one that transformers reads, without missing or unexpected weights. All logits of some sequences, which
transformers gets as one padded batch, must agree to 1e-4. Exits 1 where they do not.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import torch
import transformers

SEQUENCES = [
    {"ids": [2 + (7 * i + 13 * s + i * i) % 90 for i in range(n)], "segments": [int(2 * i >= n) for i in range(n)]}
    for s, n in enumerate([40, 1, 17, 150, 6])
]
LLAMA = dict(
    vocab_size=101, hidden_size=36, num_hidden_layers=3, num_attention_heads=6, intermediate_size=70, max_position_embeddings=160, num_key_value_heads=2)
BERT = dict(vocab_size=101, hidden_size=36, num_hidden_layers=3, num_attention_heads=3, intermediate_size=70, max_position_embeddings=160)
DISTIL = dict(vocab_size=101, dim=36, n_layers=3, n_heads=3, hidden_dim=70, max_position_embeddings=160)
HEADS = [("ForMaskedLM", {}), ("ForSequenceClassification", {"num_labels": 3}), ("ForSequenceClassification", {"num_labels": 1}),
    ("ForQuestionAnswering", {}), ("ForTokenClassification", {"id2label": {i: f"T{i}" for i in range(5)}}), ("ForMultipleChoice", {}), ("Model", {})]
CONFIGS = [(family + head, getattr(transformers, family + "Config")(**(base | more)))
    for family, base in [("Bert", BERT), ("Roberta", dict(BERT, max_position_embeddings=162)), ("DistilBert", DISTIL)] for head, more in HEADS] + [
    ("GPT2LMHeadModel", transformers.GPT2Config(vocab_size=101, n_positions=160, n_embd=36, n_layer=3, n_head=3, bos_token_id=0, eos_token_id=0)),
    ("LlamaForCausalLM", transformers.LlamaConfig(**LLAMA)),
    ("LlamaForCausalLM", transformers.LlamaConfig(
        **LLAMA, tie_word_embeddings=True, head_dim=10, rope_parameters={"rope_type": "default", "rope_theta": 500000.0})),
]


def ours(segments, *command):
    """The logits that shardmill gives for each sequence."""
    sequences = SEQUENCES if segments else [{"ids": s["ids"]} for s in SEQUENCES]
    lines = "".join(json.dumps(s) + "\n" for s in sequences)
    done = subprocess.run([str(c) for c in command], input=lines, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command}: {done.stderr}")
    return [torch.tensor(json.loads(line)) for line in done.stdout.splitlines()]


def theirs(model, segments):
    """The logits that transformers gives for each sequence, all of them in one padded batch."""
    longest = max(len(s["ids"]) for s in SEQUENCES)
    pad = lambda values, filler=0: torch.tensor([v + [filler] * (longest - len(v)) for v in values])
    inputs = {"input_ids": pad([s["ids"] for s in SEQUENCES], model.config.pad_token_id or 0), "attention_mask": pad([[1] * len(s["ids"]) for s in SEQUENCES])}
    if segments:
        inputs["token_type_ids"] = pad([s["segments"] for s in SEQUENCES])
    choices = type(model).__name__.endswith("MultipleChoice")
    if choices:
        inputs = {name: v[:, None] for name, v in inputs.items()}
    with torch.no_grad():
        out = model.eval()(**inputs)
    if type(model).__name__.endswith("Model") and "last_hidden_state" in out:
        mask = inputs["attention_mask"][..., None]
        return list(((out.last_hidden_state * mask).sum(1) / mask.sum(1))[:, None])
    logits = torch.stack((out.start_logits, out.end_logits), -1) if "start_logits" in out else out.logits
    if choices or type(model).__name__.endswith("SequenceClassification"):
        return list(logits[:, None])
    return [row[: len(s["ids"])] for row, s in zip(logits, SEQUENCES)]


def sentences(folder):
    """The vectors that sentence-transformers gives for each sequence, with a tokenizer whose words are ids."""
    import sentence_transformers
    import tokenizers

    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({f"w{i}": i for i in range(101)}, unk_token="w0"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="w0", unk_token="w0", model_max_length=160).save_pretrained(folder)
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    texts = [" ".join(f"w{i}" for i in s["ids"]) for s in SEQUENCES]
    return list(model.encode(texts, convert_to_tensor=True)[:, None])


def compare(name, a, b):
    worst = max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True))
    spread = float(torch.cat([y.flatten() for y in b]).std())
    print(f"{name}: logits differ by {worst:.2g} at most; their standard deviation is {spread:.2g}")
    return worst <= 1e-4 and spread > 0.01


def main():
    good = True
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        program = folder / "logits"
        subprocess.run(["go", "build", "-o", program, "./conformance/trainer/logits"], check=True)
        for number, (architecture, config) in enumerate(CONFIGS):
            cls, segments = getattr(transformers, architecture), getattr(config, "type_vocab_size", 1) > 1
            torch.manual_seed(1)
            model = cls(config)
            for p in model.parameters():
                p.data += 0.1 * torch.randn_like(p)
            saved = folder / f"{number}-theirs"
            model.save_pretrained(saved)
            good &= compare(f"{architecture} from transformers", ours(segments, program, saved), theirs(model, segments))

            written = folder / f"{number}-ours"
            written.mkdir()
            predicted = ours(segments, program, written, saved / "config.json", 7)
            model, report = cls.from_pretrained(written, output_loading_info=True)
            # Nobody asks for the pooler of a BertModel, and none is written.
            problems = {k: v for k, v in report.items() if v and not all("pooler." in name for name in v)}
            if problems:
                print(f"{architecture} from shardmill: transformers reports {problems}")
            good &= compare(f"{architecture} from shardmill", predicted, theirs(model, segments)) and not problems
            if architecture.endswith("tModel"):
                good &= compare(f"{architecture} in sentence-transformers", ours(False, program, written), sentences(written))
    sys.exit(0 if good else 1)


main()
