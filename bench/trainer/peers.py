"""Answers the requests of run.py with PyTorch and transformers: `python peers.py NAME`. Requests and answers are those of main.go. `python peers.py make
CONFIG FOLDER` writes a new model, which both sides then load.

Each peer is written in the way that is fastest for it: scaled_dot_product_attention, the fused AdamW, gradients set to None, the prediction of the
vocabulary only where there is a label.
"""

import json
import os
import sys
import time

import torch
import torch.nn.functional as F
import transformers

RATE, DECAY, MAX_NORM, IGNORE = 1e-5, 0.01, 1.0, -100


def load(q):
    with open(os.path.join(q["Model"], "config.json")) as f:
        architecture = json.load(f)["architectures"][0]
    return getattr(transformers, architecture).from_pretrained(q["Model"], attn_implementation="sdpa", dtype=torch.float32)


def read(q):
    with open(q["Data"]) as f:
        return json.load(f)


class Steps:
    """Updates of a language model on one minibatch."""

    def __init__(self, q, compiled):
        self.model, self.repeats = load(q), q["Repeats"]
        sequences = read(q)
        self.ids = torch.tensor([s["IDs"] for s in sequences])
        labels = torch.tensor([s["Labels"] for s in sequences])
        if self.model.config.model_type == "bert":
            self.rows = (labels.flatten() != IGNORE).nonzero().flatten()
            self.targets = labels.flatten()[self.rows]
        else:
            self.rows = None
        self.parameters = list(self.model.parameters())
        self.optimizer = torch.optim.AdamW(self.parameters, lr=RATE, weight_decay=DECAY, fused=True)
        self.autocast = torch.autocast("cpu", torch.bfloat16, enabled=q["Precision"] == "bf16")
        self.loss_of = torch.compile(self.loss) if compiled else self.loss

    def loss(self):
        if self.rows is None:
            return self.model(self.ids, labels=self.ids, use_cache=False).loss
        hidden = self.model.bert(self.ids).last_hidden_state.flatten(0, 1)[self.rows]
        return F.cross_entropy(self.model.cls(hidden).float(), self.targets)

    def describe(self):
        self.model.eval()
        with torch.no_grad():
            loss = self.loss().item()
        self.model.train()
        return {"loss": loss, "units": self.repeats * self.ids.numel()}

    def run(self):
        for _ in range(self.repeats):
            with self.autocast:
                loss = self.loss_of()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, MAX_NORM)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)


class PlainSteps(Steps):
    """The same with the loss as transformers computes it: BERT predicts the vocabulary everywhere."""

    def __init__(self, q, compiled):
        super().__init__(q, compiled)
        self.labels = torch.tensor([s["Labels"] for s in read(q)])

    def loss(self):
        if self.rows is None:
            return super().loss()
        return self.model(self.ids, labels=self.labels).loss


class Epoch:
    """A fine-tuning with transformers.Trainer that sees each example once."""

    def __init__(self, q, sampling="random"):
        self.model, self.sequences = load(q), read(q)
        self.data = [{"input_ids": s["IDs"], "labels": s["Target"]} for s in self.sequences]
        self.size = q["Sequences"]
        self.args = transformers.TrainingArguments(
            output_dir=os.path.join(q["Model"], "trainer"), use_cpu=True, per_device_train_batch_size=q["Sequences"], num_train_epochs=1, learning_rate=RATE,
            weight_decay=DECAY, max_grad_norm=MAX_NORM, optim="adamw_torch_fused", train_sampling_strategy=sampling, dataloader_pin_memory=False,
            logging_strategy="no", save_strategy="no", report_to="none", disable_tqdm=True, bf16=q["Precision"] == "bf16", seed=1)

    def collate(self, examples):
        """Pads to the longest, as DataCollatorWithPadding does, which wants a tokenizer for it."""
        length = max(len(e["input_ids"]) for e in examples)
        ids = torch.zeros(len(examples), length, dtype=torch.long)
        mask = torch.zeros(len(examples), length, dtype=torch.long)
        for i, e in enumerate(examples):
            ids[i, : len(e["input_ids"])] = torch.tensor(e["input_ids"])
            mask[i, : len(e["input_ids"])] = 1
        return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([e["labels"] for e in examples])}

    def describe(self):
        self.model.eval()
        with torch.no_grad():
            loss = self.model(**self.collate(self.data[: self.size])).loss.item()
        return {"loss": loss, "units": len(self.data)}

    def run(self):
        """What comes before the first update and after the last one is not measured."""
        clock = Clock()

        class Between(transformers.TrainerCallback):
            def on_train_begin(self, *args, **kwargs):
                clock.start()

            def on_train_end(self, *args, **kwargs):
                clock.stop()

        trainer = transformers.Trainer(self.model, self.args, data_collator=self.collate, train_dataset=self.data, callbacks=[Between()])
        trainer.train()
        return clock


class Generation:
    """Continues a prompt, always with the most probable token: the calls of the model that generate() makes, without its own work between them."""

    def __init__(self, q, compiled):
        self.model, self.repeats, self.tokens = load(q).eval(), q["Repeats"], q["Tokens"]
        self.prompt = torch.tensor([read(q)[0]["IDs"]])
        self.compiled = compiled
        self.model.generation_config.eos_token_id = None
        self.model.generation_config.pad_token_id = 0
        if compiled:
            self.model.forward = torch.compile(self.model.forward)

    def cache(self):
        if self.compiled:  # of one shape for all steps
            return transformers.StaticCache(config=self.model.config, max_cache_len=self.prompt.shape[1] + self.tokens)
        return transformers.DynamicCache(config=self.model.config)

    @torch.inference_mode()
    def text(self):
        ids, cache, made, at = self.prompt, self.cache(), [], 0
        for _ in range(self.tokens):
            positions = torch.arange(at, at + ids.shape[1]).unsqueeze(0)
            logits = self.model(ids, past_key_values=cache, position_ids=positions, use_cache=True, logits_to_keep=1).logits
            at += ids.shape[1]
            ids = logits[:, -1].argmax(-1, keepdim=True)
            made.append(ids.item())
        return made

    def describe(self):
        return {"ids": self.text(), "units": self.repeats * self.tokens}

    def run(self):
        for _ in range(self.repeats):
            self.text()


class Generate(Generation):
    """The same through generate()."""

    @torch.inference_mode()
    def text(self):
        out = self.model.generate(self.prompt, attention_mask=torch.ones_like(self.prompt), max_new_tokens=self.tokens, do_sample=False)
        return out[0, self.prompt.shape[1] :].tolist()


class Clock:
    def start(self):
        self.began, self.cpu_began = time.perf_counter(), time.process_time()

    def stop(self):
        self.wall, self.cpu = time.perf_counter() - self.began, time.process_time() - self.cpu_began


WORKS = {
    "torch": {"steps": lambda q: Steps(q, False), "generate": lambda q: Generation(q, False)},
    "torch.compile": {"steps": lambda q: Steps(q, True), "generate": lambda q: Generation(q, True)},
    "transformers": {"steps": lambda q: PlainSteps(q, False), "generate": lambda q: Generate(q, False), "epoch": Epoch},
    "transformers, by length": {"epoch": lambda q: Epoch(q, "group_by_length")},
}


class Worker:
    def __init__(self, name):
        self.name, self.work = name, None

    def do(self, q):
        if q["Op"] == "memory":
            with open("/proc/self/status") as f:
                status = dict(line.split(":", 1) for line in f)
            return {"memory": int(status["VmRSS"].split()[0]) << 10, "highest": int(status["VmHWM"].split()[0]) << 10}
        if q["Op"] == "prepare":
            torch.set_num_threads(q["Threads"])
            self.work = WORKS[self.name][q["Work"]](q)
            about = self.work.describe()
            self.work.run()  # compiles, and fills what later runs find filled
            return about
        clock = Clock()
        clock.start()
        inner = self.work.run()
        clock.stop()
        clock = inner or clock
        return {"wall": clock.wall, "cpu": clock.cpu}


def make(config, folder):
    """Writes a new model of that config.json."""
    with open(config) as f:
        fields = json.load(f)
    torch.manual_seed(0)
    kind = getattr(transformers, fields["architectures"][0])
    kind(kind.config_class(**fields)).save_pretrained(folder)


def main():
    if sys.argv[1] == "make":
        return make(*sys.argv[2:])
    worker = Worker(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what packages print is no answer
    for line in sys.stdin:
        try:
            answer = worker.do(json.loads(line))
        except Exception as err:
            answer = {"error": f"{type(err).__name__}: {str(err)[:200]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
