"""The language model: which of the languages of one script a text is in.

Two kinds of evidence are added up: pieces of words, trained on words drawn from the frequency lists
of the wordfreq package, alone, in pairs and in phrases, and on the labelled texts that train.py
hands in; and how frequent a known word is in each language, from the same lists, under hashes.
"""

import random

import numpy as np
import scipy.sparse

from features import MULTIPLIER, fold, start

LATIN = "en ja vi id tl de fr es pt it nl sv da pl cs hu ro tr fi".split()
GROUPS = {
    "latin": LATIN,
    "cyrillic": ["ru", "uk", "bg"],
    "arabic": ["ar", "fa"],
    "han": ["ja", "zh"],
}
COLUMNS = max(map(len, GROUPS.values()))
LANGUAGE_BITS = 15
GRAM_MAX = 5
WORD_CHARS_MAX = 24
WORDS_MAX = 160
SEEDS = {"latin": 101, "cyrillic": 102, "arabic": 103, "han": 104}
WHOLE_WORD = 50


def group_of(code):
    if 0x61 <= code <= 0x7A or 0xC0 <= code <= 0x24F or 0x1E00 <= code <= 0x1EFF:
        return "latin" if code not in (0xD7, 0xF7) else None
    if 0x0400 <= code <= 0x052F:
        return "cyrillic"
    if 0x0620 <= code <= 0x06FF or 0x0750 <= code <= 0x077F or 0xFB50 <= code <= 0xFEFC:
        return "arabic"
    if 0x3400 <= code <= 0x9FFF or code == 0x3005:
        return "han"
    return None


def words_of(text, group):
    """Runs of letters of one script, in small letters."""
    words, word = [], []
    for char in text:
        char = fold(char)
        if group_of(ord(char)) == group or (char in "'’" and word and group == "latin"):
            if char not in "'’":
                word.append(char)
            else:
                words.append("".join(word))
                word = []
            continue
        if 0x300 <= ord(char) <= 0x36F:
            continue
        if word:
            words.append("".join(word))
            word = []
    if word:
        words.append("".join(word))
    return [word[:WORD_CHARS_MAX] for word in words if word][:WORDS_MAX]


# The frequent words of each language, and how their frequency is written down: in steps above the
# floor, below which a word says nothing.
KNOWN_WORDS_MAX = 27000
FLOOR, FIRST_LEVEL, LEVEL_STEP, LEVELS = 1e-8, 4.5, 1.5, 8
# Chinese characters stand without blanks: every run of up to four may be a word, and they overlap.
HAN_WORD_CHARS_MAX, HAN_SHARE = 4, 0.5
ENGLISH_WEIGHT = 0.75
CACHE = {}


def hash_of_word(word, group):
    """The hash of a whole word, the same as in grams.rs."""
    chars = [ord(char) for char in word]
    if group != "han":
        chars = [32, *chars, 32]
    value = start(SEEDS[group] + WHOLE_WORD)
    for code in chars:
        value = ((value ^ code) * MULTIPLIER) & 0xFFFFFFFF
        value ^= value >> 15
    return value


def known_words(lists):
    """(hash, column, level) of the frequent words, in order."""
    found = set()
    for (group, language), words in lists.items():
        column = GROUPS[group].index(language)
        frequent = sorted(words.items(), key=lambda item: (-item[1], item[0]))[:KNOWN_WORDS_MAX]
        for word, frequency in frequent:
            level = round((np.log(frequency / FLOOR) - FIRST_LEVEL) / LEVEL_STEP)
            if level >= 0:
                found.add((hash_of_word(word, group), column, int(min(level, LEVELS - 1))))
    return sorted(found)


def lookup(known):
    table = {}
    for value, column, level in known:
        table.setdefault(value, []).append((column, FIRST_LEVEL + LEVEL_STEP * level))
    return table


def evidence(group, words, weights, table):
    """The evidence for each language of a group, as the gateway computes it."""
    languages = GROUPS[group]
    sums = np.zeros(COLUMNS)
    if group == "latin":
        sums[languages.index("en")] = ENGLISH_WEIGHT
    places = [place for word in words for place in places_of(word, group)]
    sums += weights[places].sum(0) / np.sqrt(max(1, len(places)))
    for word in words:
        parts = [(word, 1.0)]
        if group == "han":
            parts = [(word[at : at + size], HAN_SHARE * size / len(word))
                     for size in range(1, min(len(word), HAN_WORD_CHARS_MAX) + 1)
                     for at in range(len(word) - size + 1)]
        for part, share in parts:
            for column, value in table.get(hash_of_word(part, group), ()):
                sums[column] += share * value
    return sums[: len(languages)]


def places_of(word, group):
    """The places of all pieces of a word, up to five letters, and of the word itself."""
    key = (word, group)
    if key in CACHE:
        return CACHE[key]
    shift = 32 - LANGUAGE_BITS
    seed = SEEDS[group]
    chars = [ord(char) for char in word]
    if group != "han":
        chars = [32, *chars, 32]
    places = []
    most = 3 if group == "han" else GRAM_MAX
    for at in range(len(chars)):
        value = start(seed)
        for code in chars[at : at + most]:
            value = ((value ^ code) * MULTIPLIER) & 0xFFFFFFFF
            value ^= value >> 15
            places.append(value >> shift)
    places.append(hash_of_word(word, group) >> shift)
    CACHE[key] = places
    return places


HEPBURN = {}


def kana_table():
    rows = {
        "": "アイウエオ", "k": "カキクケコ", "s": "サシスセソ", "t": "タチツテト", "n": "ナニヌネノ",
        "h": "ハヒフヘホ", "m": "マミムメモ", "r": "ラリルレロ", "g": "ガギグゲゴ", "z": "ザジズゼゾ",
        "d": "ダヂヅデド", "b": "バビブベボ", "p": "パピプペポ",
    }
    table = {kana: head + vowel for head, kanas in rows.items() for kana, vowel in zip(kanas, "aiueo")}
    table.update(
        {"シ": "shi", "チ": "chi", "ツ": "tsu", "フ": "fu", "ジ": "ji", "ヂ": "ji", "ヅ": "zu",
         "ヤ": "ya", "ユ": "yu", "ヨ": "yo", "ワ": "wa", "ヲ": "wo", "ン": "n", "ヴ": "vu"})
    return table


def romaji(word, rnd):
    """A word in kana, in one of the ways people write it in Latin letters; None for other words."""
    if not HEPBURN:
        HEPBURN.update(kana_table())
    out, double = "", False
    for char in word:
        if "ぁ" <= char <= "ゖ":
            char = chr(ord(char) + 0x60)
        if char == "ッ":
            double = True
        elif char == "ー":
            out += rnd.choice(["", out[-1:], "-"[:0]])
        elif char in "ャュョ" and out.endswith("i"):
            vowel = {"ャ": "a", "ュ": "u", "ョ": "o"}[char]
            out = out[:-1] + (vowel if out.endswith(("shi", "chi", "ji")) else "y" + vowel)
        elif char in "ァィゥェォ" and out:
            out = out[:-1] + {"ァ": "a", "ィ": "i", "ゥ": "u", "ェ": "e", "ォ": "o"}[char]
        elif char in HEPBURN:
            piece = HEPBURN[char]
            out += (piece[0] if double else "") + piece
            double = False
        else:
            return None
    return out or None


def word_lists():
    """Words with their weights, by group and language."""
    from wordfreq import get_frequency_dict

    lists = {}
    rnd = random.Random(11)
    for group, languages in GROUPS.items():
        for language in languages:
            name = {"tl": "fil"}.get(language, language)
            size = "small" if language in ("da",) or group != "latin" and language in ("bg", "fa") else "best"
            frequent = get_frequency_dict(name, size)
            words = {}
            for word, frequency in sorted(frequent.items(), key=lambda item: -item[1])[:60000]:
                if group == "latin" and language == "ja":
                    word = romaji(word, rnd)
                    if word is None or len(word) < 2:
                        continue
                if word and all(group_of(ord(fold(char))) == group for char in word):
                    word = "".join(map(fold, word))[:WORD_CHARS_MAX]
                    words[word] = words.get(word, 0) + frequency
            lists[group, language] = words
    return lists


def samples(lists, count, power=0.55, seed=3):
    """Texts of one, two and a few words, drawn by a flattened frequency."""
    rng = np.random.RandomState(seed)
    out = []
    for (group, language), words in lists.items():
        names = sorted(words)
        weight = np.array([words[name] for name in names])
        flat = weight**power / (weight**power).sum()
        plain = weight / weight.sum()
        for size, share, chance in ((1, 0.45, flat), (2, 0.3, flat), (4, 0.15, plain), (9, 0.1, plain)):
            n = int(count * share)
            drawn = rng.choice(len(names), (n, size), p=chance)
            out += [(group, language, [names[at] for at in row], 1.0) for row in drawn]
    return out


def matrix(texts):
    """Rows of places; each row has the length that keeps short and long texts comparable."""
    pointers, columns, values = [0], [], []
    for group, words in texts:
        places = [place for word in words for place in places_of(word, group)]
        columns += places
        values += [1 / np.sqrt(max(1, len(places)))] * len(places)
        pointers.append(len(columns))
    shape = (len(texts), 1 << LANGUAGE_BITS)
    return scipy.sparse.csr_matrix((values, columns, pointers), shape=shape, dtype=np.float32)


def train(rows, epochs=6, rate=0.05, decay=1e-6, seed=7):
    """Softmax regression by Adam; a row competes only among the languages of its script."""
    table = matrix([(group, words) for group, _, words, _ in rows])
    target = np.array([GROUPS[group].index(language) for group, language, _, _ in rows])
    sizes = np.array([len(GROUPS[group]) for group, *_ in rows])
    sample_weight = np.array([weight for *_, weight in rows], np.float32)
    weights = np.zeros((1 << LANGUAGE_BITS, COLUMNS), np.float32)
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    rng = np.random.RandomState(seed)
    step, batch = 0, 4096
    total = epochs * (len(rows) // batch + 1)
    for _ in range(epochs):
        order = rng.permutation(len(rows))
        for at in range(0, len(rows), batch):
            chosen = order[at : at + batch]
            piece = table[chosen]
            scores = piece @ weights
            scores[np.arange(COLUMNS)[None, :] >= sizes[chosen][:, None]] = -1e9
            scores -= scores.max(1, keepdims=True)
            chance = np.exp(scores)
            chance /= chance.sum(1, keepdims=True)
            chance[np.arange(len(chosen)), target[chosen]] -= 1
            chance *= sample_weight[chosen][:, None] / len(chosen)
            gradient = piece.T @ chance + decay * weights
            step += 1
            first = 0.9 * first + 0.1 * gradient
            second = 0.99 * second + 0.01 * gradient**2
            now = rate * (1 - step / (total + 1))
            weights -= now * (first / (1 - 0.9**step)) / (
                np.sqrt(second / (1 - 0.99**step)) + 1e-8)
    return weights
