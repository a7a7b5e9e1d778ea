"""What the router reads from a prompt, exactly as gateway/src/routing reads it.

The Rust side is the one that serves; a golden file made by train.py keeps both equal. Never add a
feature here without adding it there, and never one that knows a data set.
"""

import re

import numpy as np

PROMPT_CHARS_MAX = 2000
HASH_BITS = 15
MULTIPLIER = 0x9E3779B1
PIECE_CHARS_MAX = 16
BLANKS = re.compile("[ \t\r\n\u00a0\u3000]+")
SYMBOLS = set("+-*/=<>^\\$_{}[]()|")


def tidy(text):
    """One blank or one line break for each run of them: how a text is spaced says nothing."""
    return BLANKS.sub(lambda run: "\n" if "\n" in run[0] else " ", text).strip(" \n")


def head_and_tail(text):
    if len(text) <= PROMPT_CHARS_MAX:
        return text
    half = PROMPT_CHARS_MAX // 2
    return text[:half] + "\n" + text[-half:]


def fold(char):
    """One character in small letters and in its usual width."""
    code = ord(char)
    if 0xFF01 <= code <= 0xFF5E:
        char = chr(code - 0xFEE0)
    elif code == 0x3000:
        return " "
    return char.lower()[0]


def is_east(code):
    return (
        0x3041 <= code <= 0x30FF
        or code in (0x3005, 0x3006)
        or 0x3400 <= code <= 0x4DBF
        or 0x4E00 <= code <= 0x9FFF
        or 0xF900 <= code <= 0xFAFF
        or 0x20000 <= code <= 0x3FFFF
    )


def is_word(code):
    """Letters and digits, by ranges: both sides must agree whatever Unicode tables they have."""
    if code < 0x80:
        return 0x30 <= code <= 0x39 or 0x41 <= code <= 0x5A or 0x61 <= code <= 0x7A
    if code < 0xC0:
        return code in (0xAA, 0xB5, 0xBA)
    if code in (0xD7, 0xF7):
        return False
    return not (
        0x2000 <= code <= 0x2BFF
        or 0x3000 <= code <= 0x3040
        or 0xFE00 <= code <= 0xFE6F
        or 0xFF00 <= code <= 0xFF65
        or 0xE000 <= code <= 0xF8FF
        or 0x1F000 <= code <= 0x1FAFF
    ) or is_east(code)


def runs(text):
    """Words: runs of letters and digits; runs of Chinese characters and kana stand apart."""
    words, word, kind = [], [], 0
    for char in text:
        code = ord(char)
        now = 2 if is_east(code) else 1 if is_word(code) else 0
        if now != kind and word:
            words.append(("".join(word), kind))
            word = []
        kind = now
        if now:
            word.append(char)
    if word:
        words.append(("".join(word), kind))
    return words


def start(seed):
    """Seeds are spread first: close ones would meet again after one character."""
    return (seed * MULTIPLIER) & 0xFFFFFFFF


def hash_of(chars, seed):
    value = start(seed)
    for char in chars:
        value = ((value ^ ord(char)) * MULTIPLIER) & 0xFFFFFFFF
        value ^= value >> 15
    return value


EDGE_CHARS = 160


def edges(folded):
    """The two ends of a text: what is asked for stands there, what it is about in between."""
    if len(folded) <= 2 * EDGE_CHARS:
        return folded
    return folded[:EDGE_CHARS] + " " + folded[-EDGE_CHARS:]


def hashed(words):
    """The places of words, pairs, stems and pieces of Chinese characters, each once."""
    places, before = set(), None
    shift = 32 - HASH_BITS
    for word, kind in words:
        if kind == 2:
            for size in (1, 2, 3):
                for at in range(len(word) - size + 1):
                    places.add(hash_of(word[at : at + size], 10 + size) >> shift)
        else:
            places.add(hash_of(word, 1) >> shift)
            if len(word) > 5:
                places.add(hash_of(word[:5], 2) >> shift)
        if before is not None and kind == 1:
            places.add(hash_of(before + " " + word, 3) >> shift)
        before = word if kind == 1 else None
    return sorted(places)


def pieces(words, table):
    """Indexes of the longest known pieces, from the left."""
    found = []
    for word, _ in words:
        at, start = 0, True
        while at < len(word):
            for size in range(min(PIECE_CHARS_MAX, len(word) - at), 0, -1):
                key = ("\u2581" if start else "") + word[at : at + size]
                place = table.get(key)
                if place is not None:
                    found.append(place)
                    break
            else:
                size = 1
            at, start = at + size, False
    return found


LENGTH_CHARS_MAX = 20000
STRUCTURE = (
    "length", "length_east", "east", "length_squared", "digits", "symbols", "lines", "questions",
    "word_length", "pieces_per_word", "commas", "numbers", "code", "dollars", "items",
)


def structure(text, words, has_code, piece_count):
    """The shape of a prompt; each value is of the order of one."""
    clipped = head_and_tail(text)
    chars = max(1, len(clipped))
    digits = sum("0" <= char <= "9" for char in clipped)
    numbers = sum(
        "0" <= char <= "9" and not "0" <= before <= "9"
        for before, char in zip(" " + clipped, clipped)
    )
    east = sum(is_east(ord(char)) for char in clipped) / chars
    is_mostly_east = 1.0 if east > 0.2 else 0.0
    west = [word for word, kind in words if kind == 1]
    log = np.log1p(min(len(text), LENGTH_CHARS_MAX))
    return [
        log * (1 - is_mostly_east) / 4,
        log * is_mostly_east / 4,
        is_mostly_east,
        log * log * (1 - is_mostly_east) / 32,
        np.sqrt(digits / chars),
        np.sqrt(sum(char in SYMBOLS for char in clipped) / chars),
        np.log1p(clipped.count("\n")) / 2,
        np.log1p(sum(char in "?？" for char in clipped)),
        sum(map(len, west)) / max(1, len(west)) / 5,
        piece_count / max(1, len(words)) / 2,
        np.log1p(sum(char in ",、，" for char in clipped)) / 2,
        np.log1p(numbers) / 2,
        float(has_code),
        np.log1p(clipped.count("$")),
        np.log1p(sum(map(is_item, clipped.split("\n")))),
    ]


def is_item(line):
    """Whether a line is a choice or an item of a list: `- x`, `A. x`, `(b) x`, `1) x`."""
    body = line.lstrip(" \t(")
    if body[:1] in ("-", "*"):
        return True
    return len(body) > 1 and (body[0] in "ABCDEabcde" or "0" <= body[0] <= "9") and body[1] in ".)"


MARKS = set("(){}[]=<>;:+*&|_.\"'")


def is_code(line):
    """Whether a line has the shape of code: how it ends, and how dense its marks are."""
    body = line.strip(" \t\r")
    if len(body) < 3:
        return False
    marks = sum(char in MARKS for char in body)
    call = "(" in body and ("=" in body or "):" in body or ";" in body)
    ends = body.endswith((";", "{", "}", "):"))
    return (ends and marks >= 2) or (call and marks * 5 >= len(body)) or body.startswith("//")


def has_code(text):
    return any(
        line.strip(" \t").startswith("```") or is_code(line)
        for line in head_and_tail(text).split("\n")
    )


class Read:
    """All that is read from one prompt."""

    def __init__(self, text, table):
        text = tidy(text)
        folded = "".join(map(fold, head_and_tail(text)))
        self.words = runs(folded)
        self.pieces = pieces(self.words, table)
        self.edge_words = runs(edges(folded))
        self.edge_pieces = pieces(self.edge_words, table)
        self.places = hashed(self.edge_words)
        self.structure = structure(text, self.words, has_code(text), len(self.pieces))
