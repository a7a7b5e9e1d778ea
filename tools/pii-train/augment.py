"""Labelled Wikipedia sentences with other names and entities of the same kind in their places.
Must never be run on rows that are kept for judging."""

import os
HERE = os.path.dirname(os.path.abspath(__file__)) + '/'
LISTS = HERE + '../../gateway/src/pii/data/'
DATA = os.environ.get('PII_DATA', 'pii') + '/'      # dev.tar.gz unpacked
IPADIC = os.environ.get('IPADIC', 'ipadic') + '/'   # Noun.*.csv of mecab-ipadic
WORK = os.environ.get('PII_WORK', 'work') + '/'     # what is generated
# wiki rows with other names and entities of the same kind
import json,random,re,sys,csv
SOURCE,TARGET=sys.argv[1:3]; sys.argv=['x','77']; exec(open(HERE+'generate.py').read().split("n=int(sys.argv[2])")[0])
def run(src,out,copies):
    rows=[json.loads(l) for l in open(src)]
    pool=collections.defaultdict(list); kp=set()
    for r in rows:
        for o in r.get('other',[]): pool[o['type']].append(r['text'][o['start']:o['end']])
        for s in r['spans']:
            n=r['text'][s['start']:s['end']]
            if re.match('^[ァ-ヺー・＝]+$',n): kp.update(x for x in re.split('[・＝]',n) if len(x)>1)
    kp=sorted(kp|set(l.strip() for l in open(LISTS+'other_persons.txt') if re.match('^[ァ-ヺー]+$',l.strip())))
    # katakana syllable recombination for unseen foreign names
    def kword():
        if R.random()<.6: return R.choice(kp)
        a,b=R.choice(kp),R.choice(kp); return (a[:max(1,len(a)//2)]+b[len(b)//2:])
    def other_person(n):
        if re.match('^[一-鿿々ヶ]+$',n):
            k=R.random()
            if len(n)>=3: return (sur()[0]+giv()[0]) if k<.75 else n
            return sur()[0] if k<.45 else giv()[0] if k<.8 else n
        if re.match('^[ァ-ヺー・＝]+$',n):
            parts=[kword() for _ in n.split('・')]; return '・'.join(parts)
        if re.match('^[ぁ-ゖ一-鿿々]+$',n) and len(n)>=4 and R.random()<.5: return sur()[0]+hira(giv()[1])
        return n
    with open(out,'w') as f:
        for c in range(copies):
            for r in rows:
                t=r['text']; ents=[(s['start'],s['end'],'PERSON') for s in r['spans']]+[(o['start'],o['end'],o['type']) for o in r.get('other',[])]
                ents.sort(); o='';sp=[];last=0;ok=True;mp={}
                for a,b,ty in ents:
                    if a<last: continue
                    o+=t[last:a]; v=t[a:b]
                    if v not in mp: mp[v]=(other_person(v) if R.random()<.85 else v) if ty=='PERSON' else (R.choice(pool[ty]) if R.random()<.5 else v)
                    n=mp[v]
                    if ty=='PERSON': sp.append({'start':len(o),'end':len(o)+len(n),'type':'PERSON'})
                    o+=n; last=b
                o+=t[last:]; f.write(json.dumps({'id':r['id'],'text':o,'spans':sp},ensure_ascii=False)+'\n')
run(SOURCE,TARGET,4)
