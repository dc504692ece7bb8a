"""Opens the folders that `train pretrain` wrote with transformers, and compares what both make of them.

    make quickstart
    python3 -m venv venv && venv/bin/pip install torch transformers
    venv/bin/python conformance/trainer/commands.py build/quickstart/bert build/quickstart/gpt

Run it from the root of the repository, where bin/train lies. Weights, tokenizer and generation settings must load without remarks; `train
fill-mask` must give the probabilities of transformers to 1e-5; `train generate --temperature 0` must give the same tokens; and `train` must
open the folders that transformers writes. Exits 1 where something differs.
"""

import json
import subprocess
import sys
import tempfile

import torch
import transformers


def train(*arguments):
    done = subprocess.run(["bin/train", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"train {' '.join(arguments)}: {done.stderr}")
    return json.loads(done.stdout)


def load(auto, folder):
    model, remarks = auto.from_pretrained(folder, output_loading_info=True)
    if any(remarks.values()):
        sys.exit(f"{folder}: {remarks}")
    return model.eval(), transformers.AutoTokenizer.from_pretrained(folder)


def fill(folder, model, tokenizer):
    text = f"He took the {tokenizer.mask_token} and went to the {tokenizer.mask_token}."
    inputs = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        theirs = model(**inputs).logits[0].softmax(-1)[inputs["input_ids"][0] == tokenizer.mask_token_id]
    ours = train("fill-mask", "--model", folder, "--json", text)["masks"]
    worst = max(abs(row[g["id"]].item() - g["probability"]) for row, mask in zip(theirs, ours) for g in mask)
    print(f"{folder}: fill-mask, {len(ours)} masks, largest difference of a probability {worst:.1e}")
    return len(ours) == len(theirs) and worst < 1e-5


def continue_text(folder, model, tokenizer):
    prompt = "The boy looked at the"
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    theirs = model.generate(ids, max_new_tokens=40, do_sample=False)[0][ids.shape[1]:].tolist()
    ours = train("generate", "--model", folder, "--json", "--temperature", "0", "--tokens", "40", "--prompt", prompt)["ids"]
    if theirs[-1:] == [model.generation_config.eos_token_id]:
        theirs.pop()
    print(f"{folder}: generate, {len(ours)} tokens, {'equal' if ours == theirs else f'{ours} and {theirs}'}")
    return ours == theirs


def main(bert, gpt):
    good = True
    for folder, auto, compare in ((bert, transformers.AutoModelForMaskedLM, fill), (gpt, transformers.AutoModelForCausalLM, continue_text)):
        model, tokenizer = load(auto, folder)
        good &= compare(folder, model, tokenizer)
        with tempfile.TemporaryDirectory() as back:
            model.save_pretrained(back)
            tokenizer.save_pretrained(back)
            good &= compare(back, model, tokenizer)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
