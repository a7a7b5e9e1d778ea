//! What is said behind a name: honorifics and titles, and who is spoken of with them without a
//! name. Recognisers and tagger share these lists. It must never hold a name.

/// What a name has behind it, and hardly anything else.
pub(super) static HONORIFICS: [&str; 8] =
    ["さん", "様", "さま", "くん", "ちゃん", "君", "氏", "殿"];

/// The same of those who are called by what they are; what another ends in stands behind it.
pub(super) static TITLES: [&str; 44] = [
    "先生",
    "先輩",
    "本部長",
    "部長",
    "課長",
    "係長",
    "社長",
    "会長",
    "店長",
    "工場長",
    "院長",
    "学長",
    "校長",
    "園長",
    "所長",
    "支店長",
    "室長",
    "副部長",
    "副社長",
    "専務",
    "常務",
    "取締役",
    "主任",
    "主査",
    "教授",
    "准教授",
    "弁護士",
    "税理士",
    "司法書士",
    "医師",
    "看護師",
    "薬剤師",
    "保健師",
    "理学療法士",
    "選手",
    "監督",
    "通訳",
    "コーチ",
    "トレーナー",
    "マネージャー",
    "マネジャー",
    "リーダー",
    "ドクター",
    "Dr",
];
/// What honorifics and titles begin with, in a table by the last two bytes of a letter.
static HEADS: [u64; 64] = heads();

const fn heads() -> [u64; 64] {
    const LETTERS: [char; 43] = [
        'さ', '様', 'く', 'ち', '君', '氏', '殿', '先', '本', '部', '課', '係', '社', '会', '店',
        '工', '院', '学', '校', '園', '所', '支', '室', '副', '専', '常', '取', '主', '教', '准',
        '弁', '税', '司', '医', '看', '薬', '保', '理', '選', '監', '通', 'コ', 'ト',
    ];
    const MORE: [char; 3] = ['マ', 'リ', 'ド'];
    let (mut heads, mut at) = ([0; 64], 0);
    while at < LETTERS.len() + MORE.len() {
        let letter =
            if at < LETTERS.len() { LETTERS[at] } else { MORE[at - LETTERS.len()] } as usize;
        heads[letter >> 6 & 63] |= 1 << (letter & 63);
        at += 1;
    }
    heads
}

/// Whether a word may begin an honorific or a title. Asked of every word: one look at its bytes
/// leaves nearly all of them.
#[inline(always)]
pub(super) fn may_begin(word: &[u8]) -> bool {
    match word {
        [0xE3..=0xE9, second, third, ..] => {
            HEADS[usize::from(second & 63)] >> (third & 63) & 1 == 1
        }
        _ => word == b"Dr",
    }
}

/// The last letters of who is spoken of by what he is: 担当者様, 取引先様, 貴社様.
pub(super) const ROLE_ENDS: &str = "者先客員社店課部族主長所局室会皆誰何方々徒生供手側中元師官士役団校女帝后院園行婦親\
    子妻夫父母兄姉弟妹息娘嬢孫王神仏姫仕模多同異有一二三四五六七八九十各位殿名人屋業家庁庫家郎";

/// Kinship, animals and those who are somebody by their trade, in hiragana.
const OTHERS_IN_KANA: [&str; 47] = [
    "おか",
    "かあ",
    "とう",
    "にい",
    "ねえ",
    "じい",
    "ばあ",
    "おじ",
    "おば",
    "みな",
    "おく",
    "きゃく",
    "むすこ",
    "むすめ",
    "じょう",
    "ぼっちゃ",
    "いしゃ",
    "まご",
    "あか",
    "わん",
    "にゃん",
    "うさぎ",
    "くま",
    "ねこ",
    "いぬ",
    "ぞう",
    "さる",
    "とり",
    "まわり",
    "かみ",
    "ほとけ",
    "つき",
    "たく",
    "やさん",
    "だんな",
    "よめ",
    "どちら",
    "どなた",
    "おひ",
    "くろう",
    "つかれ",
    "はなや",
    "ほんや",
    "さかなや",
    "やお",
    "ちび",
    "きりん",
];

/// Kinship, animals and those who are somebody by their trade.
pub(super) fn is_somebody_in_kana(word: &str) -> bool {
    OTHERS_IN_KANA.iter().any(|other| word.contains(other))
}

/// Whether a text begins with a word. Two bytes are compared first, which takes no call.
#[inline(always)]
fn begins(text: &str, word: &str) -> bool {
    let two = |text: &str| text.as_bytes().first_chunk::<2>().copied().map(u16::from_le_bytes);
    two(text) == two(word) && text.starts_with(word)
}

/// The honorific that a text begins with.
pub(super) fn honorific(text: &str) -> Option<&'static str> {
    // Asked of every word with a capital: in English nothing is compared.
    let may_be = may_begin(text.as_bytes());
    HONORIFICS.iter().copied().find(|honorific| may_be && begins(text, honorific))
}

/// The title that a text begins with; one that goes on is none: 選手団, 教授会.
pub(super) fn title(text: &str) -> Option<&'static str> {
    if !may_begin(text.as_bytes()) && !text.starts_with("Dr") {
        return None;
    }
    let title = TITLES.iter().copied().find(|title| begins(text, title))?;
    let ends = |rest: &str| !rest.starts_with(|next| "団権村会室官席級職室費".contains(next));
    text.strip_prefix(title).filter(|rest| ends(rest)).map(|_| title)
}

/// The title that a text ends with.
pub(super) fn title_at_end(text: &str) -> Option<&'static str> {
    let last = text.chars().next_back()?;
    let may_be = matches!(
        last,
        '生' | '輩'
            | '長'
            | '務'
            | '役'
            | '任'
            | '査'
            | '授'
            | '士'
            | '師'
            | '手'
            | '督'
            | '訳'
            | 'チ'
            | 'ー'
            | 'r'
    );
    if !may_be {
        return None;
    }
    let ends = || TITLES.iter().copied().filter(|title| text.ends_with(title));
    ends().max_by_key(|title| title.len())
}

/// What looks like an honorific goes on: 生活様式, どんな様子, くんれん, しっかりちゃんと.
pub(super) fn goes_on(after: &str) -> bool {
    let honorific = ["さん", "さま", "くん", "ちゃん", "様", "君", "氏"].into_iter();
    let rest = honorific.filter_map(|honorific| after.strip_prefix(honorific)).next();
    let Some(next) = rest.and_then(|rest| rest.chars().next()) else { return false };
    match next {
        'ぁ'..='ゖ' => {
            let is_adverb = after.starts_with("ちゃんと");
            is_adverb || !"はがをにへとのもやよね".contains(next)
        }
        '一'..='龥' | '々' => !"方宅宛邸".contains(next),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_title_is_found_by_its_head() {
        for title in super::TITLES {
            assert!(super::may_begin(title.as_bytes()), "{title}");
            let found = super::title(title).unwrap_or_default();
            assert!(!found.is_empty() && title.starts_with(found), "{title}");
            assert!(super::title_at_end(title).is_some_and(|end| title == end), "{title}");
        }
        assert!(super::HONORIFICS.iter().all(|one| super::may_begin(one.as_bytes())));
        assert_eq!(super::title("問題"), None);
        assert_eq!(super::title("選手団"), None);
    }
}
