"""Builds whole_names.txt and word_groups_*.txt in gateway/src/pii/data: names of persons from
Sudachi's dictionary, and words that are used alike, grouped by chiVe's vectors as ja_ginza packs
them. Must never read the data that judges masking.

    pip install --no-deps mw-sudachidict-core==20221021 ja-ginza==5.3.0 && pip install numpy"""

import collections, glob, io, json, os, re, struct, sysconfig
import numpy

HERE = os.path.dirname(os.path.abspath(__file__)) + '/'
LISTS = HERE + '../../gateway/src/pii/data/'
SITE = sysconfig.get_paths()['purelib'] + '/'
GROUPS = 512
FILES = 2

def sudachi():
    """Every word of the dictionary with the names of its part of speech."""
    data = open(SITE + 'sudachidict_core/resources/system.dic', 'rb').read()
    at = 272  # behind the version, the time and the description
    def text(at):
        count = data[at]; at += 1
        if count > 127: count = (count & 127) << 8 | data[at]; at += 1
        return data[at:at + 2 * count].decode('utf-16-le', 'replace'), at + 2 * count
    kinds = []
    count, = struct.unpack_from('<H', data, at); at += 2
    for _ in range(count):
        kind = []
        for _ in range(6):
            part, at = text(at); kind.append(part)
        kinds.append('-'.join(kind[:4]))
    left, right = struct.unpack_from('<hh', data, at); at += 4 + 2 * left * right
    trie, = struct.unpack_from('<I', data, at); at += 4 + 4 * trie
    table, = struct.unpack_from('<I', data, at); at += 4 + table
    count, = struct.unpack_from('<I', data, at); at += 4 + 6 * count
    words = collections.defaultdict(set)
    for offset in struct.unpack_from(f'<{count}I', data, at):
        word, offset = text(offset)
        offset += 1 + (data[offset] > 127)
        kind, = struct.unpack_from('<H', data, offset)
        words[word].add(kinds[kind])
    return words

def murmur(text):
    """The hash that spaCy knows a word by (MurmurHash64A with seed 1)."""
    prime, mask = 0xc6a4a7935bd1e995, (1 << 64) - 1
    data = text.encode(); whole = len(data) - len(data) % 8
    found = 1 ^ (len(data) * prime & mask)
    for at in range(0, whole, 8):
        part = int.from_bytes(data[at:at + 8], 'little') * prime & mask
        part = (part ^ part >> 47) * prime & mask
        found = (found ^ part) * prime & mask
    if data[whole:]: found = (found ^ int.from_bytes(data[whole:], 'little')) * prime & mask
    found = (found ^ found >> 47) * prime & mask
    return found ^ found >> 47

def vectors():
    """The vectors, and the row of each word."""
    folder, = glob.glob(SITE + 'ja_ginza/ja_ginza-*/vocab/')
    data = open(folder + 'key2row', 'rb').read()
    at = 0
    def number():  # MessagePack
        nonlocal at
        first = data[at]; at += 1
        if first < 0x80: return first
        size = {0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8, 0xde: 2, 0xdf: 4}[first]
        at += size
        return int.from_bytes(data[at - size:at], 'big')
    rows = {}
    for _ in range(number()): key = number(); rows[key] = number()
    strings = json.load(open(folder + 'strings.json'))
    words = {word: rows[key] for word in strings if (key := murmur(word)) in rows}
    return numpy.load(folder + 'vectors'), words

def grouped(vectors, words):
    """k-means by the angle; a row counts by the root of how many words share it."""
    length = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    rows = (vectors / numpy.maximum(1e-9, length)).astype('f4')
    rows_of_words = numpy.fromiter(words.values(), int)
    weight = numpy.bincount(rows_of_words, minlength=len(rows)).astype('f4') ** .5
    middles = rows[numpy.random.default_rng(1).choice(len(rows), GROUPS, replace=False)]
    for _ in range(25):
        nearest = (rows @ middles.T).argmax(1)
        for group in range(GROUPS):
            own = nearest == group
            if own.any():
                middle = (rows[own] * weight[own, None]).sum(0)
                if numpy.linalg.norm(middle) > 0:
                    middles[group] = middle / numpy.linalg.norm(middle)
    return (rows @ middles.T).argmax(1)

def write(name, head, lines):
    with open(LISTS + name, 'w') as out:
        out.writelines('# ' + line + '\n' for line in head)
        out.writelines(line + '\n' for line in lines)
    print(name, os.path.getsize(LISTS + name))

SUDACHI = 'SudachiDict core 20221021 (Apache-2.0: see NOTICE), with parts of UniDic and NEologd'
kinds = sudachi()
name = re.compile('^[ァ-ヺー・一-鿿々ぁ-ゖ]{2,}$')
names = (word for word, kind in kinds.items() if '名詞-固有名詞-人名-一般' in kind)
write('whole_names.txt', ['Names of persons, whole.', SUDACHI],
      sorted(word for word in names if name.match(word)))
# Places and the parts of names are on lists of their own.
LISTED = {f'名詞-固有名詞-{kind}' for kind in ('人名-姓', '人名-名', '地名-一般')}
japanese = re.compile('^[ぁ-ゖァ-ヺー一-鿿㐀-䶿豈-﫿々〆・]{1,8}$')
rows, words = vectors()
groups = [[] for _ in range(GROUPS)]
nearest = grouped(rows, words)
for word, row in words.items():
    if japanese.match(word) and kinds.get(word, set()) - LISTED: groups[nearest[row]].append(word)
HEAD = ['Words that are used alike, a group a line.',
        'Grouped by chiVe 1.1 (Apache-2.0: see NOTICE), as packed by ja_ginza 5.3.0 (MIT)', SUDACHI]
for part in range(FILES):
    size = GROUPS // FILES
    write(f'word_groups_{part + 1}.txt', HEAD,
          (' '.join(sorted(group)) for group in groups[part * size:(part + 1) * size]))
