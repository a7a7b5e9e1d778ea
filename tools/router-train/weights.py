"""The file of weights: magic, length of the header, header (JSON), then the tables as bytes.

The reader is gateway/src/routing/weights.rs. A change of the form is a new magic.
"""

import json
import os
import struct

import numpy as np

import language
import model
from data import TASKS
from features import HASH_BITS
from pieces import hash_of

MAGIC = b"FLYROUT2"
LANGUAGE_LEVELS = 7
FNV_START, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3


def checksum(data):
    """FNV-1a over words of eight bytes: fast enough in Python as well."""
    value = FNV_START
    padded = data + b"\0" * (-len(data) % 8)
    for word in np.frombuffer(padded, "<u8").tolist():
        value = ((value ^ word) * FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return value


def steps_of(matrix, kind):
    """Each column in steps of its own; the steps go into the header."""
    steps = np.abs(matrix).max(0) / np.iinfo(kind).max + 1e-12
    return np.round(matrix / steps).astype(kind), [float(step) for step in steps]


def halves_of(matrix):
    """Four bits a weight: the language table has half a million of them."""
    top = np.quantile(np.abs(matrix[matrix != 0]), 0.995)
    rounded = np.round(np.clip(matrix / top, -1, 1) * LANGUAGE_LEVELS).astype(np.int8) + 8
    if rounded.shape[1] % 2:
        rounded = np.hstack([rounded, np.full((len(rounded), 1), 8, np.int8)])
    return (rounded[:, 0::2] | rounded[:, 1::2] << 4).astype(np.uint8), float(top / LANGUAGE_LEVELS)


def known_bytes(known):
    """Two files, by the highest bit of the hash. Hashes are cut: how many have the same upper half,
    then the lower halves in order; then a byte each: the column, and the level in three bits."""
    files = []
    for half in range(2):
        part = [row for row in known if row[0] >> 31 == half]
        counts = np.bincount([(value >> 16) & 0x7FFF for value, *_ in part], minlength=1 << 15)
        assert counts.max() < 256, "a bucket does not fit into a byte"
        lower = np.array([value & 0xFFFF for value, *_ in part], "<u2")
        payload = np.array([column | level << 5 for _, column, level in part], np.uint8)
        files.append(counts.astype(np.uint8).tobytes() + lower.tobytes() + payload.tobytes())
    return files


def write(path, names, vectors, task, route, columns, known, quantiles):
    edge, wide = len(task.edge_mean), len(task.mean)
    from_edge = task.matrix[:edge] / task.edge_scale * model.EDGE_SCALE
    from_structure = task.matrix[edge : edge + wide] / task.scale[:, None] * model.STRUCTURE_SCALE
    bias = task.matrix[edge + wide] - task.edge_mean @ from_edge - task.mean @ from_structure
    from_hash = task.matrix[edge + wide + 1 :] * (task.rarity * model.HASH_SCALE)[:, None]
    parts, at, level = [], 0, 0.0
    for mean, scale, factor in route.blocks:
        size = len(mean)
        row = route.row[at : at + size] / scale * factor
        parts.append(row)
        level -= float(mean @ row)
        at += size
    order = sorted((hash_of(name), at) for name, at in names.items())
    rows = [at for _, at in order]
    piece_rows = np.hstack([vectors @ from_edge, (vectors @ parts[2])[:, None]])[rows]
    piece_bytes, piece_steps = steps_of(piece_rows, np.dtype("<i2"))
    hash_bytes, hash_steps = steps_of(from_hash, np.dtype("i1"))
    halves, language_step = halves_of(columns)
    blob = b"".join([
        np.array([value for value, _ in order], "<u4").tobytes(), piece_bytes.tobytes(),
        hash_bytes.tobytes(), halves.tobytes()])
    parts_of_known = known_bytes(known)
    numbers = lambda values: [round(float(value), 6) for value in values]
    header = {
        "pieces": len(order), "piece_steps": piece_steps,
        "hash_bits": HASH_BITS, "hash_steps": hash_steps,
        "language_bits": language.LANGUAGE_BITS, "language_columns": language.COLUMNS,
        "language_step": language_step,
        "known_first": language.FIRST_LEVEL, "known_step": language.LEVEL_STEP,
        "known_checksums": [f"{checksum(part):016x}" for part in parts_of_known],
        "tasks": TASKS, "task_bias": numbers(bias),
        "task_structure": [numbers(row) for row in from_structure.T],
        "route_bias": round(level, 6), "route_structure": numbers(parts[0]),
        "route_task": numbers(parts[1] + route.prior * model.PRIOR),
        "quantiles": numbers(quantiles), "checksum": f"{checksum(blob):016x}",
    }
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(MAGIC + struct.pack("<I", len(text)) + text + blob)
    for number, part in enumerate(parts_of_known, 1):
        with open(os.path.join(os.path.dirname(path), f"known_{number}.bin"), "wb") as file:
            file.write(part)
