//! What the model takes for a name and what is none by what stands around: a town among towns, a
//! firm, a day of the calendar, a count of persons, and the label before a name. It must never drop
//! a name that has an honorific.

use super::lexicon::Lexicon;
use super::table::{CITY, PLACE, hash};
use super::things::is_thing;
use super::towns;
use crate::pii::finding::Finding;
use crate::pii::kind::Kind;
use crate::pii::titles::title_at_end;

/// Around a name the line is looked at so far.
const LINE_BYTES_MAX: usize = 160;

/// Whether a name in the text is nobody's.
pub(super) fn is_nobody(text: &str, finding: &Finding, lexicon: &Lexicon) -> bool {
    if finding.kind != Kind::Person {
        return false;
    }
    let place = Place::of(text, finding);
    is_firm(&place)
        || is_date(&place)
        || is_pronoun(&place)
        || is_count(&place)
        || is_town(&place, lexicon)
        || is_dish(&place)
        || towns::is_town((place.before, place.value, place.after), lexicon)
        || is_thing((place.before, place.value, place.after), lexicon)
}

/// What a name has before it and is no part of it; each ends with a blank.
const LABELS: [&str; 46] = [
    "surname ",
    "given name ",
    "first name ",
    "last name ",
    "family name ",
    "full name ",
    "name ",
    "氏名 ",
    "名前 ",
    "姓 ",
    "名 ",
    "父 ",
    "母 ",
    "夫 ",
    "妻 ",
    "兄 ",
    "姉 ",
    "弟 ",
    "妹 ",
    "祖父 ",
    "祖母 ",
    "長男 ",
    "長女 ",
    "拝啓 ",
    "謹啓 ",
    "前略 ",
    // Greetings and titles of other languages, and of Japanese in Latin letters.
    "konnichiwa, ",
    "konbanwa, ",
    "ohayou, ",
    "ciao ",
    "caro ",
    "cara ",
    "liebe ",
    "lieber ",
    "hallo ",
    "querido ",
    "querida ",
    "estimado ",
    "bonjour ",
    "cher ",
    "chère ",
    "frau ",
    "herr ",
    "madame ",
    "monsieur ",
    "señor ",
];

/// A name without the label before it: `Surname SASAKI`, `父 渉`, `05 実`.
pub(super) fn trim(text: &str, finding: &mut Finding) {
    // Of 明日渡部様 the day is no part; 明日香 and 今日子 are names.
    const DAYS: [&str; 6] = ["明日", "昨日", "今日", "本日", "先日", "明後日"];
    if finding.kind != Kind::Person {
        return;
    }
    let value = text.get(finding.start..finding.end).unwrap_or_default();
    let begins = |label: &&str| {
        value.get(..label.len()).is_some_and(|head| head.eq_ignore_ascii_case(label))
    };
    // Each of them ends with a blank.
    let mut labels = LABELS.iter().filter(|_| value.contains(' '));
    let label = labels.find(|label| begins(label)).map_or(0, |label| label.len());
    let is_day = |day: &str| {
        let rest = value.strip_prefix(day);
        rest.is_some_and(|rest| rest.chars().count() > 1 && !rest.starts_with(['香', '子', '美']))
    };
    let label = DAYS.iter().find(|day| is_day(day)).map_or(label, |day| day.len());
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let blank = usize::from(value.get(digits..).is_some_and(|rest| rest.starts_with(' ')));
    finding.start += if digits > 0 { digits + blank } else { label };
    let value = text.get(finding.start..finding.end).unwrap_or_default();
    if value.starts_with(|c: char| c.is_ascii_uppercase()) && value.ends_with("'s") {
        finding.end -= "'s".len();
    }
    // 吉岡本部長: the model ends a name where a shorter title begins.
    let after = text.get(finding.end..).unwrap_or_default();
    let cut = [("本", "部長"), ("副", "部長"), ("副", "社長"), ("准", "教授")];
    let is_cut = |(head, tail): &(&str, &str)| value.ends_with(head) && after.starts_with(tail);
    let may_be = after.starts_with(['部', '社', '教']) && value.chars().count() > 2;
    if may_be && cut.iter().any(is_cut) {
        finding.end -= '本'.len_utf8();
        return;
    }
    // What a chat asks for behind a name is no part of it.
    let may_ask = value.ends_with(['s', 'z', 'e', 'x']);
    let asked = [" pls", " plz", " please", " thx"].iter().find_map(|end| value.strip_suffix(end));
    if let Some(name) = asked.filter(|_| may_ask) {
        finding.end = finding.start + name.len();
        return;
    }
    let rest = title_at_end(value).and_then(|title| value.strip_suffix(title));
    if let Some(rest) = rest.filter(|rest| rest.chars().count() > 1 && !rest.ends_with(' ')) {
        finding.end = finding.start + rest.len();
    }
}

/// A name in its line.
struct Place<'a> {
    before: &'a str,
    value: &'a str,
    after: &'a str,
}

impl<'a> Place<'a> {
    fn of(text: &'a str, finding: &Finding) -> Self {
        let (mut start, mut end) = (finding.start.saturating_sub(LINE_BYTES_MAX), finding.end);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        end = (end + LINE_BYTES_MAX).min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = text.get(start..finding.start).unwrap_or_default();
        let after = text.get(finding.end..end).unwrap_or_default();
        Self {
            before: before.rsplit('\n').next().unwrap_or_default(),
            value: text.get(finding.start..finding.end).unwrap_or_default(),
            after: after.split('\n').next().unwrap_or_default(),
        }
    }
}

/// 鈴木自動車, あおぞら信金; but 銀行員 is somebody.
fn is_firm(place: &Place) -> bool {
    const ENDS: [&str; 17] = [
        "自動車",
        "信金",
        "信用金庫",
        "信用組合",
        "銀行",
        "証券",
        "製薬",
        "製作所",
        "製菓",
        "工業",
        "物産",
        "百貨店",
        "重工",
        "鉄道",
        "不動産",
        "電機",
        "食品",
    ];
    let rest = ENDS.iter().find_map(|end| place.after.strip_prefix(end));
    rest.is_some_and(|rest| !rest.starts_with(['員', '家', '主', '長', '団']))
}

/// `Tue Jan 6`, `Jan 6, 2026`, `Tue, 6 Jan`; 五月 of 五月六日.
fn is_date(place: &Place) -> bool {
    const NAMES: [&str; 19] = [
        "mon", "tue", "wed", "thu", "fri", "sat", "sun", "jan", "feb", "mar", "apr", "may", "jun",
        "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let is_name = |word: &str| NAMES.iter().any(|name| name.eq_ignore_ascii_case(word));
    let is_name_or_gap = |word: &str| word.is_empty() || is_name(word);
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    let words = || place.value.split([' ', ',', '.']);
    let day = place.after.trim_start_matches([' ', '.']).bytes().next();
    let leads = day.is_some_and(|byte| byte.is_ascii_digit()) && words().all(is_name_or_gap);
    let whole = words().any(is_name) && words().all(|word| is_name_or_gap(word) || is_number(word));
    let month = place.value.strip_suffix('月').unwrap_or_default();
    let is_month = !month.is_empty() && month.chars().all(super::is_numeral);
    let numbered = place.value.bytes().any(|byte| byte.is_ascii_digit());
    leads || (whole && numbered) || (is_month && place.after.starts_with(super::is_numeral))
}

/// What is written with a capital in other languages, in romaji or in code.
fn is_pronoun(place: &Place) -> bool {
    const WORDS: [&str; 22] = [
        "Sie",
        "Ihnen",
        "Ihr",
        "Ihre",
        "Ihren",
        "Usted",
        "Vous",
        "Lei",
        "Date",
        "DateTime",
        "Ashita",
        "Kinou",
        "Kyou",
        "Konnichiwa",
        "Arigatou",
        "Sumimasen",
        "明日",
        "昨日",
        "今日",
        "本日",
        "先日",
        "明後日",
    ];
    WORDS.contains(&place.value)
}

/// Caesar salad, Waldorf salad: one word before what is eaten.
fn is_dish(place: &Place) -> bool {
    const DISHES: [&str; 8] =
        [" salad", " dressing", " sauce", " apple", " pie", " steak", " cake", " sandwich"];
    let one = place.value.is_ascii() && !place.value.contains(' ');
    one && DISHES.iter().any(|dish| place.after.starts_with(dish))
}

/// 二名, 三人.
fn is_count(place: &Place) -> bool {
    let number = place.value.strip_suffix(['名', '人']).unwrap_or_default();
    !number.is_empty() && number.chars().all(super::is_numeral)
}

/// A town beside another town, where the line speaks of towns: 宮城と福島の名産.
fn is_town(place: &Place, lexicon: &Lexicon) -> bool {
    const WORDS: [&str; 27] = [
        "名産",
        "名物",
        "特産",
        "観光",
        "人口",
        "面積",
        "城めぐり",
        "電車",
        "バスで",
        "何分",
        "何時間",
        "泊",
        "温泉",
        "回りたい",
        "巡り",
        "めぐり",
        "地形",
        "噴火",
        "住みやすい",
        "気候",
        "天気",
        "気温",
        "標高",
        "名所",
        "日帰り",
        "ドライブ",
        "旅行",
    ];
    if !is_listed_town(place.value, lexicon) {
        return false;
    }
    let speaks = WORDS.iter().any(|word| place.before.contains(word) || place.after.contains(word));
    speaks && (follows_town(place, lexicon) || leads_to_town(place, lexicon))
}

/// What joins towns, and what only stands between where a way begins and ends: there the other may
/// be any place.
const JOINTS: [(&str, bool); 9] = [
    ("、", false),
    ("と", false),
    ("・", false),
    ("や", false),
    ("から", true),
    ("→", true),
    (",", false),
    ("か", false),
    ("および", false),
];
/// Towns have at most so many letters.
const TOWN_LETTERS_MAX: usize = 4;

fn follows_town(place: &Place, lexicon: &Lexicon) -> bool {
    let before = place.before.trim_end();
    let joined = |(joint, is_way)| Some((before.strip_suffix(joint)?, is_way));
    let Some((before, is_way)) = JOINTS.into_iter().find_map(joined) else { return false };
    let mut starts = before.char_indices().rev().map(|(at, _)| at).take(TOWN_LETTERS_MAX);
    starts.any(|at| before.get(at..).is_some_and(|town| is_place(town, is_way, lexicon)))
}

fn leads_to_town(place: &Place, lexicon: &Lexicon) -> bool {
    let after = place.after.trim_start();
    let joined = |(joint, is_way)| Some((after.strip_prefix(joint)?, is_way));
    let Some((after, is_way)) = JOINTS.into_iter().find_map(joined) else { return false };
    let after = after.trim_start();
    let mut ends = after.char_indices().map(|(at, c)| at + c.len_utf8()).take(TOWN_LETTERS_MAX);
    ends.any(|at| after.get(..at).is_some_and(|town| is_place(town, is_way, lexicon)))
}

fn is_place(name: &str, is_any: bool, lexicon: &Lexicon) -> bool {
    let listed = is_any && name.chars().count() > 1 && lexicon.lists(hash(name)) & PLACE != 0;
    listed || is_listed_town(name, lexicon)
}

/// A prefecture or a municipality, with or without what ends its name.
fn is_listed_town(name: &str, lexicon: &Lexicon) -> bool {
    let is_listed = |name: &str| lexicon.lists(hash(name)) & CITY != 0;
    let wide = name.chars().count() > 1 && !name.is_ascii();
    wide && (is_listed(name) || ["市", "区"].iter().any(|end| is_listed(&format!("{name}{end}"))))
}

#[cfg(test)]
mod tests {
    use super::{Finding, Kind, Lexicon, is_nobody, trim};
    use crate::pii::finding::Trust;

    fn finding(text: &str, name: &str) -> Finding {
        let start = text.find(name).unwrap();
        Finding { start, end: start + name.len(), kind: Kind::Person, trust: Trust::Guess }
    }

    #[test]
    fn what_stands_around_tells_who_is_nobody() {
        let lexicon = Lexicon::new();
        let is_nobody = |text: &str, name: &str| is_nobody(text, &finding(text, name), &lexicon);
        assert!(is_nobody("山形と長野の温泉を比べて", "長野"));
        assert!(is_nobody("三島から沼津まで何分？", "三島"));
        assert!(!is_nobody("山形と長野が欠席です", "長野"));
        assert!(!is_nobody("長野が温泉に行く", "長野"));
        assert!(is_nobody("野口製薬の株価", "野口"));
        assert!(!is_nobody("野口銀行員", "野口"));
        assert!(is_nobody("Date: Sun, Mar 1, 2026", "Sun, Mar"));
        assert!(is_nobody("On Sun, Mar 1, 2026", "Mar"));
        assert!(is_nobody("on Wed, 7 May 2026", "Wed, 7 May"));
        assert!(is_nobody("四月五日、五月六日", "五月"));
        assert!(!is_nobody("Mar wrote 3 mails", "Mar"));
        assert!(is_nobody("計三名です", "三名"));
    }

    #[test]
    fn a_label_is_no_part_of_a_name() {
        let rest = |text: &'static str| {
            let mut finding = finding(text, text);
            trim(text, &mut finding);
            &text[finding.start..]
        };
        assert_eq!(rest("Surname KONDO"), "KONDO");
        assert_eq!(rest("父 渉"), "渉");
        assert_eq!(rest("05 実"), "実");
        assert_eq!(rest("明日渡会"), "渡会");
        assert_eq!(rest("明日香"), "明日香");
        assert_eq!(rest("拝啓 渡会"), "渡会");
        assert_eq!(rest("Nameless Ghost"), "Nameless Ghost");
        let mut owner = finding("Wanda's desk", "Wanda's");
        trim("Wanda's desk", &mut owner);
        assert_eq!(owner.end, "Wanda".len());
    }
}
