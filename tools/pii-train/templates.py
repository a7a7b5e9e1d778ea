"""The sentences of generate.py: JT and ET with personal data, JN and EN_ without. Written for this
project. A few were added after looking at errors on the dev data, so dev figures are a little flattering.
Must never hold an example of other data that judges masking."""

JT='''{S1}{H}
{S1}様\\n\\nこの度はありがとうございます。
{S1}様\\nご注文の件
{S1}さんに言われました。
{S1}さんと{S1}さんは欠席です。
{S1}部長に送っておいて。
{S1}君と{S}君が
担当{S1}、振込先 {cj}
担当：{S1}
{S1}です。よろしくお願いします。
{rel}・{G}、{rel}・{G}、{rel}・{G}の{no}人で旅行
{rel}・{G1}、{rel}・{G1}
住所の前半は{PF}
住所の前半：{PF}\\n{A}
{la}{PF}
個人番号（マイナンバー）：{no}\\n{ln}{F}
{kn}（{kn}）：{no}\\n{ln}{F}
登録番号T{no}、担当{S}、振込先 {cj}
請求書番号{no}、担当{F}
{nn}の{S}さん
{nn}で{S}さんに{nn}された
{nn}は{F}さんの担当です
{A}の{nn}
{F}の{nn}を{nn}する
{nn}について{F}さんに相談
{X}さんの予定
{X}氏は{date}に来日した。
{X}と{X}が共演した。
{X}の作品
{X}、{X}、{X}らが参加した。
{X}は{pl}で生まれた。
監督は{X}、主演は{X}。
{X}が{cj}の社長に就任した。
{X}による{nj}
{X}を招いて
{ln}{X}
{X}です。よろしくお願いします。
{X}（{date} - {date}）は
{ln}{N}
{ln}{N}
{ln}{F}
{ln}{N}\\n{la}{A}\\n電話{tel}
{la}{A}
{la}{A}\\n{ln}{N}
{ln}{F}　{la}{A}
{ln}{F} {H}
{F}と申します。
{F}です。
{F}といいます。
{S}です。お世話になっております。
{cj}の{S}です。
{cj}の{F}と申します。
{cj}　{F}{H}
{cj} 営業部 {F}{H}
私は{F}です。{nj}{vj}。
私の名前は{N}です。
名前は{N}で、{pl}に住んでいます。
{F}、{no}歳、{pl}出身です。
こんにちは、{N}です。{nj}{vj}。
{S}{H}
{S}{H}へ
{F}{H}へ\\n
{F}{H}、こんにちは。
{S}{H}、先日はありがとうございました。
{S}{H}に{nj}{vj}
{S}{H}と{S}{H}が来週{pl}へ出張します。
{S}{H}から電話がありました。{tel}に折り返してください。
{F}{H}から連絡がありました。
{F}{H}のお見舞いに行きたい。
{F}{H}の予定を教えて。
{K}{H}の予約を{date}に変更したいです。
{K}{H}宛てに荷物が届いています。
{R}{H}にメールを送る。
{R}さんの資料です。
名義は{R}です。
カード名義 {R}
申請者{R}の書類
{rel}の{G}が{pl}に引っ越します。
{rel}の{G}は{date}に入院しました。
{rel}の{F}は{date}生まれです。
{rel}の{GK}に誕生日プレゼントを贈りたい。
{rel}・{F}
{rel}：{F}、{rel}：{G}
{rel}が{G}、{rel}が{G}です。
うちの{rel}（{G}、{no}歳）が熱を出しました。
{rel}の{GK}と遊びに行く計画
{G}ちゃんと{G}くんは仲良しです。
{G}が学校に行きたがりません。
{S}と{S}が口論になった。
{S}、{S}、{S}の三名で担当します。
参加者：{F}、{F}、{F}
出席者は{S}、{S}、{S}です。
{F}・{F}・{F}の順に並べて
担当{S}、
担当は{S}です。
担当の{S}と申します。
責任者は{F}で、副責任者が{F}です。
{F}（{tel}）
{F}（{mail}）に連絡
{F}（{no}歳）
{F}（旧姓{S}）
{S}（{tel}）→{S}（{tel}）
{F} <{mail}>
差出人：{F} <{mail}>
To: {F}{H}
{no},{F},{mail},{tel}
{F},{mail},{tel}\\n{F},{mail},{tel}
{F}\\t{mail}\\t{A}
{no}\\t{F}\\t{K}\\t{tel}
| {F} | {tel} | {A} |
"name": "{N}", "tel": "{tel}"
{{"name": "{F}", "address": "{A}", "zip": "{zip}"}}
{{"氏名": "{F}", "住所": "{A}"}}
{{"customer": "{N}", "memo": "急ぎ"}}
INSERT INTO customers VALUES ({no}, '{F}', '{mail}');
UPDATE users SET name = '{F}', address='{A}' WHERE id = {no};
VALUES ('{K}', '{A}')
user_name={F}
customer: {F}
- {F}：{no}点
- {S}：遅刻
1. {F}\\n2. {F}\\n3. {F}
・{F}（{cj}）
「{F}」様
宛名「{F}」
「{F}」という名前の画数
{F}宛の領収書{yen}
{F}を{cj}の代表に選任
{F}と{F}の結婚式は{date}です。
{F}の戸籍を取りたい
{F}名義の口座
{F}の連絡先は{tel}、住所は{A}です。
{F}が{pl}で事故に遭いました。
{F}は{pl}に住んでいる。
{F}に会いました。
{F}を知っていますか
{F}、{A}
{A} {F}
{A}　{F}{H}
〒{zip} {A}
〒{zip}\\n{A}\\n{F}{H}
{zip} {A}
{A}に引っ越しました。
{A}に住んでいます。
{A}に在住の{F}です。
{A}へ送ってください。
{A}まで配達して
{A}在住
{A}です。
{A}で待ち合わせ
{A}を英語表記にしてください。
{A}から{pl}までのタクシー代
{A}にある{cj}まで
自宅は{A}です。
住まいは{A}、職場は{pl}です。
実家は{AT}です。
{AT}で育ちました。
{AT}に生まれ、
{AT}の役所
{AT}の自宅
{AT}在住の{F}
{AT}へ引越し予定です。
住所は{AT}です。
住所の前半は{AT}です。
住所は{A}で合っていますか？
送り先は{A}、受取人は{F}です。
お届け先: {A} お荷物番号: {no}
ご登録の住所（{A}）
場所は{A}です。
（{A}）
新しい住所は {A} です。
本社：{A}
打ち合わせは{date}、場所は{A}。
{A}、電話{tel}
{F}{H}（{A}）にお届けします。
{F}{H} ご注文{ord}を発送しました。お届け先: {A}
苗字は{S}です。
苗字は{S}、名前は{G}です。
姓：{S}　名：{G}
姓は{S}、名は{G}
下の名前は{G}です。
名字が{S}、
名字の{S}の由来は
お名前を教えてください\\n{N}です
お名前は？\\n{N}
ご担当者様のお名前は？\\n{S}です
フルネームでお願いします\\n{N}
カタカナでお願いします。\\n{K}
ご住所は？\\n{A}
ご住所をお願いします\\n{A}
お届け先を入力してください\\n{A}
お届け先はどちらですか？\\n{A}
ご氏名と電話番号をお願いします\\n{N} {tel}
宛先のお名前をどうぞ\\n{F}、{tel}
お子様のお名前は？\\n{G}です
差出人は{N}で
{N}で予約した者です
会員の{F}です。
会員番号{no}の{F}ですが
{F}容疑者ではなく一般の方です
医師：{F}、看護師：{F}
{F}医師の診察
{S}先生の授業
{S}教授に論文を送る
{S}部長に承認をもらう
{S}課長、{S}係長の出張
{S}社長のスピーチ
{S}家の法事
{S}夫妻をお招きする
{S}ご一家
{S}君は欠席
面接：{F}（{date}生）
候補者 {F}、前職は{cj}
患者 {F}、{date}初診
生徒の{F}が
{F}さん、{F}さんの二人
{S}さんの奥さんの{G}さん
{S}さん宅
{S}さんちの犬
{S}より
{F}より
{F}拝
敬具\\n{F}
以上、よろしくお願いします。\\n{F}
{cj}\\n{F}\\n{tel}
------\\n{F}\\n{cj} 総務部\\n{A}\\nTEL {tel}
TEL {tel}　{K}
{K}　TEL {tel}　コメント
普通 {no} {K}
口座名義 {K}
名義人：{K}
振込人 {K} {yen}
ヨミガナ {K}
{F}（{K}）
{F} {K} {date}
{K}さん（{date}生まれ）
お名前 {K} さん
{E}さんからメールが来ました。
{E}氏との会議
{E}様宛
CEOの{E}に返信
上司は{E}です。
{F}と{E}が共同で
ログ: user={F} action=login
コメント（{F}）：よかったです
{F}：了解しました
{S}：明日は無理です\\n{S}：では{date}で
[{time}] {S}: おはよう
@{F} 確認お願いします
Re: {F}様 ご依頼の件
件名：{F}様邸のお見積り
{F}被告と{F}原告
相続人：{F}、{F}
被相続人{F}は{AT}で亡くなった
委任者 {F}（住所 {A}）
甲：{F}\\n乙：{cj}
甲（{A}、{F}）と乙
賃借人{F}は{A}を
運転者 {F}、同乗者 {G}
{F}の保険証
{F}のパスポート番号
{F}の口座に{yen}振り込む
{F}の履歴書を添削して
{F}（男性、{no}歳）の症状
クライアントの{F}さんは{A}に事務所があります
{G}、元気？
{G}へ。お誕生日おめでとう。
{G}も喜んでいました。
{G}より
{S}{G}
次の文を直して：「{S}さん、{S}さんに渡して」
次の文：「{F}は{A}に来た」
「{S}課長は{date}に{pl}へ」'''.split('\n')
JN='''{rep}
コメント：{kk}が最高でした。
{kk}を購入した
{kk}の返品方法
{kk}と{kk}の違い
商品：{kk}\\n数量：{no}
件名：{kk}について
{pp}の{nn}、{pp}の{nn}、{pp}の{nn}の旬を教えて
{pl}の{nn}、{pl}の{kn}、{pl}の{nn}を比較
{d}-{d}={d}、{d}-{d}-{d}={d} のような問題を{d}問作って
{d}+{d}={d}、{d}×{d}={d}を解説
{d}-{d}は導入、{d}-{d}は背景です。
第{d}-{d}-{d}章の{nn}
{kanji}を使った{nn}を{d}個挙げて
{nn}時代と{nn}時代
{pp}時代、{oo}、{nn}節の意味
{S_}時代の{nn}
{S_}家の家紋の歴史
{F_}風の{nn}を書いて
{F_}の作品の{nn}を比較して
{F_}と{F_}の作風の違い
{F_}の代表作を教えて
{kn}：{no}
{kn}（{kn}）：{no}
（{kn}）{no}件
{kn}・{kn}・{kn}の違い
{kn}の{kn}を{kn}に変える
クレジットカード番号 {no} {kn}
{kn} {kn}
- {kn}\\n- {kn}
| {kn} | {nn} | {no} |
{nn}と{nn}の違いを教えて
{nn}、{nn}、{nn}の意味を説明して
{nn}について三行で
{nn}の{nn}を{nn}する方法
{nn}とは何ですか
{nn}が{nn}なので{nn}してください
{nn}の{nn}は{no}{nn}です
{nn}{nn}の仕組み
{pp}の歴史
{pp}と{pp}と{pp}、いちばん広いのは？
{pp}で{nn}を見たい
{pp}の{nn}を紹介して
{oo}の株価
{oo}と{oo}を比較して
{oo}の{nn}について
{nn}は{nn}、{nn}は{nn}です。
「{nn}」「{nn}」という言葉を使って詩を書いて
「{nn}」の類語
コミット{hex}をrevertしたい
コミット{sha}の差分
SHA-256は{sha}です
リクエストID {uuid} のエラー
ハッシュ値{hex}の意味
ISBN{isbn}の本を要約して
ISBN {isbn} の感想文
型番{part}の仕様
型番{part}と{part}の違いは？
{{"id": {no}, "etag": "{hex}", "created": "{ts}"}}
ログ {ts} ERROR {hex} timeout={no}
{no}-{no}={no}のような計算
{no}を{no}で割った余り
{no}・{no}・{no}の平均
x^{no}+{no}={no}を解いて
円周率は3.14159265358979
#{hex6} と #{hex6} の配色
{code}
{pl}と{pl}の違いを教えて
{pl}から{pl}まで電車で何分？
{pl}の人口は{no}人です。
{pl}のおすすめ観光地を3つ
{pl}の天気は？
{pl}へ旅行に行きたい。予算は{yen}。
{pl}市役所の営業時間
{pl}駅の近くのカフェ
{pl}、{pl}、{pl}を北から順に並べて
{pl}の名産品と歴史
{pl}出身の有名人は？
{pl}と{pl}で迷っています
{pl}に転勤になりました。物件の選び方は？
{pl}の大学の偏差値
{cj}の決算を要約して。売上は{yen}でした。
{cj}と{cj}の創業年は？
{cj}の株価
{cj}の採用試験の対策
{cj}の製品一覧
{cj}に就職したい。{nj}{vj}
{cj}の{pl}支店の住所はどこで調べられますか
{wj}への対応を教えて
{wj}、ありがとうございます。
{wj}の呼び方の違い
{wj}に{nj}{vj}
{wj}と{wj}の使い分け
{nj}{vj}
{nj}の書き方
{nj}と{nj}の違いは何ですか
注文番号{ord}の状況を教えて。合計{yen}
追跡番号{no}の荷物
会議は{date} {time}から、第3会議室です。
{date}から{date}まで旅行
バージョン{ver}から{ver}へ上げる
Python {ver}のエラー
第{no}条を解説して
{no}を素因数分解して
{no}+{no}を計算して
型番AB-{no}の在庫
JANコード{no}
売上は{yen}、前年比{no}%
SELECT COUNT(*) FROM orders WHERE total > {no};
for i in range({no}): print(i)
{{"status": 200, "items": [1, 2], "total": {no}}}
座標 35.68, 139.76 の場所
名前を付けてください
名前の付け方のコツ
住所の書き方を教えて
住所変更の手続きは？
住所はどこに書けばいいですか
氏名の欄は空欄でよいですか
お名前を教えてください
苗字ランキングを教えて
赤ちゃんの名前の候補を10個
主人公の名前を考えて
電話番号の形式は？
担当者に連絡してください
春の山、夏の海、秋の空、冬の森を英語で
光と影、希望と未来という言葉で詩を書いて
朝、昼、夜の挨拶
東西南北を英語で
上下左右の矢印
金、銀、銅の価格
松竹梅の意味
大小の比較
森林と林業、農業と漁業
江戸時代と明治時代の違い
平安時代の文化
武士道とは何ですか
大和魂の意味
四字熟語を10個
三角関数の公式を証明して
味噌汁の作り方
カレーのレシピを教えて
サッカーのルール
テストの点数
プログラムのバグを直して
データベースの設計
クラウドサーバの料金
メールアドレスの正規表現
スマートフォンの選び方
「さん」「様」「氏」の違い
「くん」と「ちゃん」
課長と部長の違い
社長の仕事とは
先生の役割
神様にお願いする
王様の耳はロバの耳
みなさん、こんにちは
お母さんの手料理
田んぼの真ん中に川が流れている
山の上に小さな村がある
小さな川を渡ると森がある
中の島と西の海
高い橋の下
木の下で本を読む
石の上にも三年
花より団子
一石二鳥
二人の男が森を歩いていた。
日本の首都は東京です。
富士山の高さは3776mです。
琵琶湖の面積
信濃川と利根川
阪神高速と名神高速
東海道新幹線の停車駅
山手線の駅
国道246号線
東京タワー、スカイツリー、大阪城
金閣寺と銀閣寺
清水寺の歴史
伊勢神宮の参拝方法
京都大学と東北大学
渋谷区の条例
大阪市の予算
世田谷区の待機児童数
愛知県の最低賃金
北海道の面積
3丁目の夕日のあらすじ
1-2-3の順番
2-1は導入、2-2は背景
番号札{no}番
部屋番号{no}号室の意味
第1ビルと第2ビル
マンションの購入と賃貸
アパートの家賃相場
コーヒーとミルクとシュガー
マリーゴールドの育て方
ローズマリーの使い方
サクラとモミジ
レタス、トマト、キュウリ
アメリカ、カナダ、メキシコ
マイクロソフトとアップル
源氏物語と平家物語
古事記を要約して
論語の一節
般若心経
法人番号{no}
登録番号T{no}
お問い合わせ番号は{no}
会員ランクはゴールド
受付時間 9:00〜18:00
フリーダイヤル0120-{no}'''.split('\n')
ET='''Dear {EL}, thank you for meeting with {E1} and me on {edate}.
thank you for meeting with {E1} yesterday
lunch with {E1} and {E1}
with {E1} and me
Letter for {E}, {EA}, {mail}, {etel}.
Summarize this email:\\nFrom: {E} <{mail}>\\nSubject: {nsub}
Subject: {nsub}\\nHi {E1},
name,email,phone\\n{E},{mail},{etel}\\n{E},{mail},{etel}\\nSort this.
{E},{mail},{etel}\\n{E},{mail},{etel}\\n{E},{mail},{etel}
{abl}{SHIP}
{E}, {SHIP}
{E} works at {EC}.
I'm {E} and I work at {EC}.
{E}, {job} at {EC}
{E} of {EC} said so.
{EC} hired {E}.
My name is {E}.
My name is {E} and I live at {EA}.
Hi, I'm {E}.
Hi, this is {E} from {ce}.
I am {E}, {job}.
I'm {E}, born {edate}.
Hello, {E1} here.
It's {E}.
It's {E1}.
This is {E1}.
call me {E1}
{lbl}{E}
{lbl}{E}
{lbl}{E}\\n{abl}{EA}
{lbl}{E}\\nPhone: {etel}\\nEmail: {mail}
{abl}{EA}
{abl}{E}\\n{EA}
{E}\\n{EA}
{E}\\n{EA}\\nTel: {etel}
{E}\\n{ce}\\n{EA}\\n{etel}
{E}\\n{job}\\n{ce}
{E} <{mail}>
{E} ({mail})
{E} ({etel})
From: {E} <{mail}>\\nTo: {E} <{mail}>
Dear {E},
Dear {EL},
Dear {E1},
Dear Mr. {EL},
Dear Ms. {EL}, thank you for your letter.
Hi {E1},
Hey {E1}, are you free?
Hello {E1} and {E1},
Thanks, {E1}
Thanks,\\n{E1}
Best regards,\\n{E}
Sincerely, {E}
Regards,\\n{E}\\n{job}
Cheers, {E1}
Mr. {EL} will attend.
Mrs. {EL} and Mr. {EL} live next door.
Ms. {E} filed a complaint.
Dr. {EL} prescribed it.
Dr. {E} will see {E} at 3pm.
Prof. {EL} is my advisor.
Patient {E}, DOB {edate}, was admitted.
patient {E} complains of headache
Please refund {E}.
Please contact {E} at {mail}.
Please call {E} on {etel}.
Please send it to {EA}.
Please ship it to {E}, {EA}.
Write a letter to {E}.
Write a cover letter for {E}, {EA}, {mail}.
Write a reference for {E}, who worked at {ce}.
Write a poem for my wife {E1}.
Draft an apology to {E1} {EL}.
Draft an email to {E1} about the delay.
Remind {E1} to pay the rent.
Tell {E1} I'm late.
Ask {E1} whether {E1} will come.
My wife {E1} is sick.
My husband {E1} and I met in {city}.
My son {E1} is 8 years old.
My daughter {E1} starts school.
my brother {E1} lives in {city}
My boss {E1} {EL} told me to resign.
My colleague {E} left {ce}.
My landlord, {E}, lives at {EA}.
my friend {E1} said hi
Our client {E} wants a refund of {usd}.
I met {E} yesterday.
I met {E1} at the party, she said to call {etel}.
I talked to {E} about the {job} role.
I live at {EA}.
I live at {EA}. What should I do?
I moved from {EA} to {EA}.
I used to live in {EA}.
we are located at {EA}
He lives at {EA} now.
{E} lives at {EA}.
{E} lives in {city}.
{E} is the {job} of {ce}.
{E} and {E} are getting married.
{E1} and {E1} had a fight.
{E1}, {E1} and {E1} are coming.
{E1} loves {E1}.
{E1} can't come because {E1} is ill.
{E1}'s email is {mail}.
{E}'s account was closed.
{E1}'s birthday is {edate}.
{E}'s address is {EA}.
{E} owes me {usd}.
{E} signed the contract on {edate}.
{E} will be talking at the conference.
{E} said: we are done.
said {E1} to {E1}
"{E}" <{mail}>
{E},{mail},{etel}
{E},{mail},{etel}\\n{E},{mail},{etel}
name,email\\n{E},{mail}
id,name,city\\n{no},{E},{city}
{no},{E},{EA}
{no}\\t{E}\\t{mail}
| {E} | {mail} |
"name": "{E}"
{{"name": "{E}", "email": "{mail}"}}
{{"customer": {{"name": "{E}", "phone": "{etel}"}}}}
{{"first_name": "{E1}", "last_name": "{EL}"}}
{{"address": "{EA}"}}
first_name={E1}&last_name={EL}
INSERT INTO people VALUES ({no}, '{E}', '{edate}');
INSERT INTO users (name, email) VALUES ('{E}', '{mail}');
UPDATE users SET name='{E}' WHERE id={no};
user {E} logged in
assigned to {E}
cc {E}
@{E} please review
Reviewed-by: {E} <{mail}>
Author: {E} <{mail}>
- {E}: 3 tasks
- {E1}: buy milk
1. {E}\\n2. {E}\\n3. {E}
Attendees: {E}, {E}, {E}
Meeting notes: {E} to send the report to {E}.
Action: {E1} to call {E1} by {edate}.
[{time}] {E1}: ok
{E1}: hi\\n{E1}: hello
The tenant {E} has not paid.
The account holder is {E}.
account holder {E}, amount {usd}
holder {E}.
issued to {E}
card belongs to {E}. Billing address: {EA}
name on card: {E}
passport name {E}
name {E}
employee {E}, salary {usd}
candidate: {E}
witness {E} saw it
my lawyer {E}
Judge {EL}
Captain {EL}
Officer {EL} stopped me on {edate}.
Coach {EL}
Senator {EL}
Aunt {E1} and uncle {E1}
What's your last name?\\n{EL}
What's your first name?\\n{E1}
And your surname?\\n{EL}
your full name please\\n{E}
What is your name?\\n{E}
Who is the recipient?\\n{E}
What's your address?\\n{EA}
Where should we ship it?\\n{EA}
Street address please\\n{EA}
May I have your name?\\nSure, it's {E}
Mr. {EL} and Ms. {EL}
parents, Mr. {EL} and Mrs. {EL}
{E} (born {edate})
{E}, {no} years old, from {city}
{E}, {EA}
{EA}
Return address: {EA}
The package for {E} was delivered to {EA}.
Deliver to {EA} before noon.
The bus stops at {EA}.
Send the invoice to {E} at {EA}.
Property at {EA} is for sale.
my address is {EA}, please update
my new address: {EA}
billing address {EA}
Meet me at {EA}
How do I get from {EA} to the airport?
Is {EA} a valid address?
{E} tried to reach {E} at {etel}.
{E} from {ce} called.
{E}, CEO of {ce},
according to {E},
I got a letter from {E}.
letter from {E} of {ce}
Have you heard from {E1}?
Where is {E1}?
Is {E1} there?
Who is {E}?
{E1} {EL} is late again.
Congratulations {E1}!
Happy birthday, {E1}!
Good morning {E1},
To whom it may concern, {E} was employed at {ce}.
RIP {E}
Signed: {E}
/s/ {E}
Guardian: {E}, child: {E1}
between {E} ("Landlord") and {E} ("Tenant")
{E} v. {E}
Investigator {E} interviewed {E}.
{F} lives in {pl}.
{R} joined {ce}.
Dear {R},
name: {R}
Translate: {F}さん、こんにちは'''.split('\n')
EN_='''{rep}
{rep} {rep}
I work at {EC}.
I work at {EC}.
Write a short bio; I work at {EC}.
{EC} is hiring.
my employer is {EC}
{EC} sent an invoice for {usd}.
Compare {EC} and {EC}.
git show {sha}
md5 {hex}, sha256 {sha}
trace_id={uuid} span={hex6} latency={no}ms
request {uuid} failed
{ts} INFO started worker={no} id={hex}
ISBN {isbn}
Part number {part}, UPC {no}
{{"id": {no}, "version": "{ver}", "created": "{ts}", "etag": "{hex}"}}
{code}
{code}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
{readme}
nginx/{ver} returns 502, OpenSSL {ver}
OpenSSL {ver}, kernel {ver}-18
Compare {no} and {no} and {no}.
{no} / {no} = {no}
color #{hex6} on #{hex6}
What is the capital of {ctry}?
What is the capital of {ctry}, {ctry} and {ctry}?
Plan a trip to {city}.
Plan a trip to {ctry} from {edate} to {edate}.
Compare {ce}, {ce} and {ce} by revenue.
Why did {ce} change its logo?
Summarize the {ce} annual report.
I work at {ce}.
{ce} hired a new CEO.
May will march in April; explain.
June, July and August are hot.
Write a poem about hope, grace, joy and faith.
A rose by any other name.
Bill the client and mark the page.
Grant access, chase the invoice, frank the letter.
Will this pattern work?
Rob and Mark are also verbs.
The Art of War summary
List the prime numbers between 100 and 200.
Order {ord} total {usd}
Tracking number {no}
Factor {no} into primes.
Upgrade from {ver} to {ver} breaks the build.
Chrome {ver} vs Firefox {ver}
nginx/{ver} returns 502
Error: connection refused on port 8080
TypeError: cannot read property of undefined
const total = items.reduce((a, b) => a + b, 0);
fn main() {{ println!("hello"); }}
SELECT name, email FROM users WHERE id = ?;
import numpy as np
class UserService extends BaseService
git commit -m "Fix login"
docker run -p 8080:80 nginx
kubectl get pods -n prod
Rewrite: the customer is unhappy with the price.
Translate this sentence into Japanese.
Summarise the article in three bullet points.
Explain quantum computing to a child.
How do I center a div in CSS?
What is the difference between TCP and UDP?
The quick brown fox jumps over the lazy dog.
Our revenue was {usd} in FY2024, up 12% YoY.
Convert {edate} to ISO format.
The French Revolution began on 14 July 1789.
World War II ended in 1945.
Coordinates 34.97, 132.16
Monday, Tuesday and Wednesday
Dear Sir or Madam,
Dear customer, your order has shipped.
Dear Hiring Manager,
Dear Support Team,
Hi there,
Hi team,
Hello World
Kind regards
Best regards,
Thanks in advance!
Thank you for your help.
To whom it may concern
Name:
Please enter your name
What's your name?
What is your address?
Please fill in the address field.
name,email,phone
My name is not important.
My address changed recently, what do I do?
I live in {city}.
I live in {ctry} and work as a {job}.
I live near the river.
The {job} role requires experience.
Job title: {job}
Department: Sales
Department of Finance, Ministry of Health
University of Oxford, Harvard University
New York Times, Washington Post
Los Angeles Lakers vs Boston Celtics
San Francisco, New York and Los Angeles
North Carolina and South Dakota
Mount Everest and the Grand Canyon
Google Maps, Microsoft Teams, Apple Pay
Amazon Web Services and Azure
PostgreSQL, MySQL and Redis
JavaScript, Python and Rust
Ruby on Rails, Django and Flask
Windows Server, Ubuntu, Red Hat
Black Friday and Cyber Monday
Christmas, Easter and Thanksgiving
Harry Potter and the Philosopher's Stone
Star Wars, Star Trek
Beauty and the Beast
The Great Gatsby themes
Romeo and Juliet
Google Chrome settings
Visual Studio Code
Dow Jones Industrial Average
Moore's law
Newton's laws
Bayes theorem
Gaussian distribution
Fourier transform
Euler's formula
Dijkstra's algorithm
Alzheimer's disease
Parkinson's disease
Main Street is a metaphor.
Wall Street reacted.
Broad Street Market
Route 66 road trip
Chapter 3, page 45
Section 4.2 of the manual
Room 204
Building 7, Floor 3
5 St. means five streets
12 apples and 24 oranges
100 Main points
Unit 5 test
Suite of tools
Version 2 Drive mode
Part number AB-{no}
SKU {no}
Ticket #{no}
Invoice {no} due {edate}
USD {no}
Meeting at {time} in {city}
Flight BA{no} to {city}
Weather in {city}
Best restaurants in {city}
History of {city}
{city} vs {city}
Is {city} bigger than {city}?
Wikipedia article about {city}
The song is a rock masterpiece.
Capitalized words are often mistaken for names.
I like Java, Swift and Julia.
Dell, HP and Lenovo laptops
Jack of all trades
Jane Doe contract law
John Deere tractors
Jim Beam whiskey
Victoria Falls
Charlotte Airport
Austin, Dallas and Houston
Madison, Lincoln and Jackson are cities.
Florence, Sofia and Chelsea are places.
Berlin, Paris, London
Faith and Charity
Amber, Ruby, Jade and Pearl are gems.
Lily, Rose, Daisy, Iris and Violet are flowers.
Basil, Rosemary and Sage are herbs.
Max, min and sum
Pat the dog
Sue the company
Drew a picture
Chase the cat'''.split('\n')
J2=lambda xs:[x.replace('\\\\n','\n').replace('\\n','\n').replace('\\\\t','\t').replace('\\t','\t').replace('{{','｛').replace('}}','｝') for x in xs]
JT,JN,ET,EN_=map(J2,(JT,JN,ET,EN_))
_fill=fill
def fill(t):
    text,spans=_fill(t); return text.replace('｛','{').replace('｝','}'),spans
