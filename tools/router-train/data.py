"""Reads the public data and this folder's own prompts. Never changes them."""

import json
import os
import random
import re

import numpy as np
import scipy.sparse

import features

HERE = os.path.dirname(os.path.abspath(__file__))
TASKS = ["code", "math_reasoning", "creative", "translation", "ecommerce", "text"]
OF_SIX = {"math": "math_reasoning", "reasoning": "math_reasoning"}
ROUTING = ["routellm_mmlu_a", "llmrouter_train", "ja_elyza", "ja_rakuda", "ja_pfgen"]
PROMPTS_PER_LINE, PROMPTS_PER_GRADE = 14, 10
# More than one weak and strong model where there are several: less noise of single judges.
WEAK = {
    "llmrouter_train": ["mistral-7b-instruct-v0.3", "gemma-2-9b-it", "llama-3.1-8b-instruct",
                        "qwen2.5-7b-instruct"],
    "ja_elyza": ["RakutenAI-2.0-mini-instruct", "sarashina2.2-3b-instruct",
                 "Llama-3.1-8B-Instruct", "Qwen3-8B", "pool_weak_le4b"],
    "ja_pfgen": ["RakutenAI-7B-chat", "gemma-2-2b-it", "Qwen2.5-7B-Instruct", "pool_weak"],
}
# Sets whose parts are kinds of their own: each can be left out.
OF_MANY_KINDS = ("routellm_mmlu_a", "llmrouter_train")
WEAK["ja_rakuda"] = WEAK["ja_elyza"]
STRONG = {
    "llmrouter_train": ["llama-3.1-nemotron-51b-instruct", "llama-3.3-nemotron-super-49b-v1"],
    "ja_elyza": ["gpt-4o-2024-11-20", "Kimi-K2-Instruct", "pool_strong_frontier"],
    "ja_pfgen": ["gpt-4o", "claude-3-5-sonnet", "pool_strong"],
}
STRONG["ja_rakuda"] = STRONG["ja_elyza"]


def rows(path):
    meta, found = {}, []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if "_meta" in row:
                meta = row["_meta"]
            else:
                found.append(row)
    return meta, found


def sections(name):
    task = None
    with open(os.path.join(HERE, name), encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            named = re.fullmatch(r"\[(\w+)\]", line)
            if named:
                task = named[1]
            elif line and not line.startswith("#"):
                yield task, line


def drawn(line, rnd, most):
    """Some of the prompts that a line with choices stands for."""
    parts = re.split(r"\{([^{}]*\|[^{}]*)\}", line.replace("\\n", "\n"))
    choices = [[part] if at % 2 == 0 else part.split("|") for at, part in enumerate(parts)]
    possible = np.prod([len(choice) for choice in choices])
    found = set()
    for _ in range(most * 3):
        if len(found) < min(most, possible):
            found.add("".join(rnd.choice(choice) for choice in choices))
    return sorted(found)


def own_prompts():
    """(prompt, task) of seeds.txt and lexicon.txt."""
    rnd, found = random.Random(5), []
    for task, line in sections("seeds.txt"):
        found += [(prompt, task) for prompt in drawn(line, rnd, PROMPTS_PER_LINE)]
    for task, line in sections("lexicon.txt"):
        words = line.split("|")
        found += [(word, task) for word in words]
        found += [(" ".join(rnd.sample(words, 2)), task) for _ in range(len(words) // 2)]
    return found


class Table:
    """Everything read from many prompts, as matrices."""

    def __init__(self, prompts, pieces, vectors):
        read = [features.Read(prompt, pieces) for prompt in prompts]
        mean = lambda found: vectors[found].mean(0) if found else np.zeros(vectors.shape[1])
        self.edge = np.stack([mean(r.edge_pieces) for r in read]).astype(np.float32)
        self.whole = np.stack([mean(r.pieces) for r in read]).astype(np.float32)
        self.structure = np.array([r.structure for r in read], np.float32)
        pointers, columns, values = [0], [], []
        for r in read:
            columns += r.places
            values += [1 / np.sqrt(max(1, len(r.places)))] * len(r.places)
            pointers.append(len(columns))
        shape = (len(read), 1 << features.HASH_BITS)
        self.hashed = scipy.sparse.csr_matrix(
            (values, columns, pointers), shape=shape, dtype=np.float32)


class TaskData:
    """Prompts with their kind of work and the group that shares a weight."""

    def __init__(self, folder):
        _, labelled = rows(os.path.join(folder, "task", "dev_mix.jsonl"))
        own = own_prompts()
        self.prompts = [row["prompt"] for row in labelled] + [prompt for prompt, _ in own]
        names = [OF_SIX.get(row["task"], row["task"]) for row in labelled]
        names = [name if name in TASKS else "text" for name in names] + [task for _, task in own]
        self.labels = np.array([TASKS.index(name) for name in names])
        group = lambda source: source if source.startswith("llmrouter") else source.split("/")[0]
        self.groups = np.array([group(row["src"]) for row in labelled] + ["own"] * len(own))


class Grades:
    """Prompts of our own, graded by how far a small model falls behind. Each line counts alike, and
    so do East Asia and the rest, so that a language is no grade."""

    def __init__(self, names, vectors):
        rnd, found = random.Random(5), []
        for grade, line in sections("grades.txt"):
            prompts = drawn(line, rnd, PROMPTS_PER_GRADE)
            found += [(prompt, float(grade), 1 / len(prompts)) for prompt in prompts]
        self.table = Table([prompt for prompt, *_ in found], names, vectors)
        self.target = np.array([grade for _, grade, _ in found])
        self.weight = np.array([weight for *_, weight in found])
        east = self.table.structure[:, features.STRUCTURE.index("east")] > 0
        for rows in (east, ~east):
            target, weight = self.target[rows], self.weight[rows]
            self.target[rows] = (target - np.average(target, weights=weight)) / target.std()
            self.weight[rows] = weight / weight.sum()


class RoutingData:
    """Prompts with the quality of weak and strong models."""

    def __init__(self, folder):
        self.prompts, sets, domains, values = [], [], [], []
        for name in ROUTING:
            meta, found = rows(os.path.join(folder, "routing", name + ".jsonl"))
            for row in found:
                quality = lambda names: np.mean([row["models"][n]["q"] for n in names])
                weak, strong = [meta["weak"]], [meta["strong"]]
                values.append((
                    quality(weak), quality(strong),
                    quality(WEAK.get(name, weak)), quality(STRONG.get(name, strong))))
                self.prompts.append(row["prompt"])
                sets.append(name)
                domains.append(name + "/" + row["domain"] if name in OF_MANY_KINDS else name)
        self.sets, self.domains = np.array(sets), np.array(domains)
        self.weak, self.strong, self.weak_mean, self.strong_mean = np.array(values).T
