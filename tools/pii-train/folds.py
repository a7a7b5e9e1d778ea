"""Cuts the labelled Wikipedia sentences into four: testN.jsonl judges a model that was trained on
trainN.jsonl and on what augment.py and generate.py make of it."""

import os, random
DATA = os.environ.get('PII_DATA', 'pii') + '/'      # dev.tar.gz unpacked
WORK = os.environ.get('PII_WORK', 'work') + '/'     # what is generated
FOLDS = 4
FILES = ('dev/ner_ja_wiki.jsonl', 'train/ner_ja_wiki_train.jsonl')

rows = [row for file in FILES for row in open(DATA + file)]
random.Random(5).shuffle(rows)
for fold in range(FOLDS):
    open(f'{WORK}test{fold}.jsonl', 'w').writelines(rows[fold::FOLDS])
    rest = (row for place, row in enumerate(rows) if place % FOLDS != fold)
    open(f'{WORK}train{fold}.jsonl', 'w').writelines(rest)
