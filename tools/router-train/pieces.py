"""The pieces of words and their vectors: the table of WordLlama (MIT), read from its package.

Only its products with the heads reach the repository, never the table.
"""

import glob
import os

import numpy as np

import features

START, WITHIN = 201, 202


def load():
    import wordllama
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    base = os.path.dirname(wordllama.__file__)
    table = load_file(glob.glob(os.path.join(base, "weights", "*_256.safetensors"))[0])
    vectors = next(iter(table.values())).astype(np.float32)
    path = glob.glob(os.path.join(base, "tokenizers", "l2_supercat*.json"))[0]
    known = {}
    for token, at in Tokenizer.from_file(path).get_vocab().items():
        if token.startswith("<"):
            continue
        body = token.lstrip("\u2581")
        key = "".join(map(features.fold, body))
        usable = key and len(key) <= features.PIECE_CHARS_MAX
        if usable and all(features.is_word(ord(char)) for char in key):
            mark = "\u2581" if token.startswith("\u2581") else ""
            known.setdefault(mark + key, []).append((at, body == key))
    names = sorted(known)
    rows = []
    for name in names:
        exact = [at for at, same in known[name] if same] or [at for at, _ in known[name]]
        rows.append(vectors[sorted(exact)].mean(0))
    return {name: at for at, name in enumerate(names)}, np.stack(rows)


def hash_of(name):
    if name.startswith("\u2581"):
        return features.hash_of(name[1:], START)
    return features.hash_of(name, WITHIN)
