"""Records what PyTorch and transformers compute for tiny models, for the Go tests of trainer/model to replay.

    python3 -m venv venv && venv/bin/pip install torch transformers
    venv/bin/python conformance/trainer/record.py trainer/model/testdata

For each model it writes NAME.json (versions, config, minibatch, loss, the losses of 50 updates, names and shapes of the state dict) and
NAME.bin (little-endian float32: the logits of the chosen rows, then the gradient of the summed loss by each parameter, in the order of
the JSON). Weights and inputs are formulas, repeated in the Go test. Loss and gradients are computed in float64, with the error of
PyTorch's own float32 beside them; the updates are computed in float32.
"""

import json
import pathlib
import sys
import zlib

import numpy as np
import torch
import transformers


def noise(name, n):
    """n numbers in [-1, 1), multiples of 2^-15: a hash of name and index."""
    x = np.arange(n, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(zlib.crc32(name.encode()))
    x = x.astype(np.uint32)
    x ^= x >> np.uint32(15)
    x *= np.uint32(2246822519)
    x ^= x >> np.uint32(13)
    return (x >> np.uint32(16)).astype(np.float64) / 32768 - 1


def fill(model):
    for name, p in model.named_parameters():
        v = noise(name, p.numel()) / 4
        if p.dim() == 1 and name.endswith("weight"):
            v = 1 + v
        p.data = torch.tensor(v.reshape(p.shape), dtype=p.dtype)


MASKED, CAUSAL, CLASSES, TOKENS, SPANS, CHOICES, VALUES = "masked", "causal", "classes", "tokens", "spans", "choices", "values"


def sequences(config, lengths, kind):
    """Sequences of (ids, segments, labels): every third token of a masked model has a label, every one of a causal model; a classifier has one
    label for the sequence, which is a number in regression; an answer has its first and last token; of two choices the first sequence has the label. Id 0 is padding in BERT, whose embedding PyTorch gives no gradient as an input; without padding it does not occur."""
    out = []
    for s, n in enumerate(lengths):
        ids = [1 + (7 * i + 13 * s + i * i) % (config.vocab_size - 1) for i in range(n)]
        segments = [int(getattr(config, "type_vocab_size", 1) > 1 and 2 * i >= n) for i in range(n)]
        if kind == CLASSES:
            labels = [(s + n) % config.num_labels]
        elif kind == VALUES:
            labels = [(s + n) % 5]
        elif kind == SPANS:
            labels = [n // 3, n // 2]
        elif kind == CHOICES:
            labels = [(s + n) % 2] if s % 2 == 0 else []
        elif kind in (MASKED, TOKENS):
            labels = [(5 * i + s) % (config.vocab_size if kind == MASKED else config.num_labels) if i % 3 == 1 else -100 for i in range(n)]
        else:
            labels = ids[1:] + [-100]
        out.append((ids, segments, labels))
    return out


def run(model, data, kind):
    """The summed loss, the logits of the labelled rows of the first sequence, and the gradients by name."""
    model.zero_grad()
    total, first, scores = 0, None, []
    for ids, segments, labels in data:
        extra = {"token_type_ids": torch.tensor([segments])} if getattr(model.config, "type_vocab_size", 1) > 1 else {}
        inputs = {"input_ids": torch.tensor([ids]), **extra}
        if kind == CHOICES:
            scores.append(model(**{k: v[None] for k, v in inputs.items()}).logits[0])
            continue
        out = model(**inputs)
        logits = torch.stack((out.start_logits[0], out.end_logits[0]), 1) if kind == SPANS else out.logits
        if kind in (MASKED, CAUSAL, TOKENS):
            logits = logits[0]
        labels = torch.tensor(labels)
        if kind == VALUES:
            total = total + (logits[0] - labels).square().sum()
        elif kind == SPANS:
            total = total + torch.nn.functional.cross_entropy(logits.T, labels)
        else:
            total = total + torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum")
        if first is None:
            first = (logits[labels != -100] if kind in (MASKED, CAUSAL, TOKENS) else logits).detach()
    if kind == CHOICES:
        first = torch.stack(scores[:2]).detach()
        for i in range(0, len(data), 2):
            total = total + torch.nn.functional.cross_entropy(torch.cat(scores[i : i + 2])[None], torch.tensor(data[i][2]))
    total.backward()
    return total.item(), first, {name: p.grad.detach().clone() for name, p in model.named_parameters()}


def train_student(folder):
    """What a DistilBERT learns from a BERT: loss and gradients of one step, in float64, as record writes them. Rows are the labelled ones."""
    sizes = dict(vocab_size=37, max_position_embeddings=24)
    config = transformers.DistilBertConfig(**sizes, dim=16, n_layers=1, n_heads=2, hidden_dim=40, architectures=["DistilBertForMaskedLM"])
    teaching = transformers.BertConfig(
        **sizes, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=40, architectures=["BertForMaskedLM"])
    student = transformers.DistilBertForMaskedLM(config).eval().double()
    teacher = transformers.BertForMaskedLM(teaching).eval().double()
    fill(student)
    fill(teacher)
    data = sequences(teaching, [9, 1, 14, 5], MASKED)
    options = {"labels": 2.0, "soft": 5.0, "hidden": 1.0, "temperature": 2.0}
    t, functional = options["temperature"], torch.nn.functional
    rows, cosines = [], []
    for ids, segments, labels in data:
        inputs, labels = torch.tensor([ids]), torch.tensor(labels)
        with torch.no_grad():
            taught = teacher(input_ids=inputs, token_type_ids=torch.tensor([segments]), output_hidden_states=True)
        out = student(input_ids=inputs, output_hidden_states=True)
        some = labels != -100
        hard = functional.cross_entropy(out.logits[0][some], labels[some], reduction="sum")
        soft = functional.kl_div(
            functional.log_softmax(out.logits[0][some] / t, -1), functional.softmax(taught.logits[0][some] / t, -1), reduction="sum") * t**2
        rows.append((hard, soft, int(some.sum())))
        states, others = out.hidden_states[-1][0], taught.hidden_states[-1][0]
        cosines.append(functional.cosine_embedding_loss(states, others, torch.ones(len(ids)), reduction="none"))
    count = sum(n for _, _, n in rows)
    loss = sum(options["labels"] * h + options["soft"] * s for h, s, _ in rows) + options["hidden"] * count * torch.cat(cosines).mean()
    loss.backward()
    gradients = {name: p.grad for name, p in student.named_parameters()}
    text = {
        "torch": torch.__version__, "transformers": transformers.__version__, "options": options, "loss": loss.item(), "logits": [0],
        "config": json.loads(config.to_json_string(use_diff=False)), "teacher": json.loads(teaching.to_json_string(use_diff=False)),
        "sequences": [{"ids": i, "segments": s, "labels": l} for i, s, l in data],
        "parameters": [{"name": k, "shape": list(g.shape)} for k, g in gradients.items()],
    }
    (folder / "student.json").write_text(json.dumps(text, sort_keys=True).replace(', "', ',\n"') + "\n")
    torch.cat([g.flatten() for g in gradients.values()]).numpy().astype("<f4").tofile(folder / "student.bin")
    print("student loss", loss.item())


def trace(model, config, kind):
    """The mean losses of 50 updates by AdamW with clipping, in float32, on batches that change with the step."""
    torch.manual_seed(0)
    decays = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() == 1]
    adam = torch.optim.AdamW([{"params": decays, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=2e-3)
    losses = []
    for step in range(50):
        data = sequences(config, [4 + step % 7, 11, 2 + step % 3][: 2 if kind == CHOICES else 3], kind)
        labels = 3 if kind == SPANS else sum(l != -100 for _, _, ls in data for l in ls)
        loss, _, _ = run(model, data, kind)
        for p in model.parameters():
            p.grad /= labels
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        losses.append(loss / labels)
    return losses


def record(folder, name, config, cls, kind):
    config._attn_implementation = "eager"
    model = cls(config).eval().double()
    fill(model)
    data = sequences(config, [9, 1, 14, 5], kind)
    loss, logits, grads = run(model, data, kind)
    loss32, _, grads32 = run(model.float(), data, kind)
    error = sum(float((grads32[k].double() - g).square().sum()) for k, g in grads.items())
    size = sum(float(g.square().sum()) for g in grads.values())
    out = {
        "torch": torch.__version__, "transformers": transformers.__version__,
        "config": json.loads(config.to_json_string(use_diff=False)),
        "sequences": [{"ids": i, "segments": s, "labels": l} for i, s, l in data],
        "trace": trace(model, config, kind),
        "loss": loss, "loss_float32": loss32, "gradient_error_float32": (error / size) ** 0.5,
        "logits": list(logits.shape),
        "parameters": [{"name": k, "shape": list(p.shape)} for k, p in model.named_parameters()],
        "state_dict": sorted(model.state_dict().keys()),
    }
    (folder / f"{name}.json").write_text(json.dumps(out, sort_keys=True).replace(', "', ',\n"') + "\n")
    parts = [logits.flatten()] + [grads[p["name"]].flatten() for p in out["parameters"]]
    torch.cat(parts).numpy().astype("<f4").tofile(folder / f"{name}.bin")
    print(name, "loss", loss, "float32", loss32, "gradient error of float32", out["gradient_error_float32"])


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    record(folder, "bert", transformers.BertConfig(
        vocab_size=37, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=40, max_position_embeddings=24,
    ), transformers.BertForMaskedLM, MASKED)
    record(folder, "gpt2", transformers.GPT2Config(
        vocab_size=41, n_positions=20, n_embd=24, n_layer=2, n_head=3, bos_token_id=0, eos_token_id=0,
    ), transformers.GPT2LMHeadModel, CAUSAL)
    record(folder, "classifier", transformers.BertConfig(
        vocab_size=37, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=40, max_position_embeddings=24, num_labels=3,
        architectures=["BertForSequenceClassification"],
    ), transformers.BertForSequenceClassification, CLASSES)
    bert = dict(vocab_size=37, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=40, max_position_embeddings=24)
    roberta = dict(bert, pad_token_id=0, layer_norm_eps=1e-5)
    distil = dict(vocab_size=37, dim=16, n_layers=2, n_heads=2, hidden_dim=40, max_position_embeddings=24)
    for name, config, head, kind in [
        ("roberta", transformers.RobertaConfig(**roberta), "ForMaskedLM", MASKED),
        ("distilbert", transformers.DistilBertConfig(**distil), "ForMaskedLM", MASKED),
        ("roberta_classifier", transformers.RobertaConfig(**roberta, num_labels=3), "ForSequenceClassification", CLASSES),
        ("distilbert_classifier", transformers.DistilBertConfig(**distil, num_labels=3), "ForSequenceClassification", CLASSES),
        ("bert_tokens", transformers.BertConfig(**bert, num_labels=5), "ForTokenClassification", TOKENS),
        ("distilbert_answers", transformers.DistilBertConfig(**distil), "ForQuestionAnswering", SPANS),
        ("roberta_choices", transformers.RobertaConfig(**roberta), "ForMultipleChoice", CHOICES),
        ("bert_value", transformers.BertConfig(**bert, num_labels=1), "ForSequenceClassification", VALUES),
    ]:
        family = type(config).__name__.removesuffix("Config")
        config.architectures = [family + head]
        record(folder, name, config, getattr(transformers, family + head), kind)
    train_student(folder)
    record(folder, "llama", transformers.LlamaConfig(
        vocab_size=43, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
        max_position_embeddings=20, rope_parameters={"rope_type": "default", "rope_theta": 500.0},
    ), transformers.LlamaForCausalLM, CAUSAL)
    record(folder, "llama_tied", transformers.LlamaConfig(
        vocab_size=43, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=1,
        max_position_embeddings=20, tie_word_embeddings=True,
    ), transformers.LlamaForCausalLM, CAUSAL)


main()
