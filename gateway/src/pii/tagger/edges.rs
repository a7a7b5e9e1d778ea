//! The rest of a name of which the model took a part: a surname in capitals before it, a short
//! word in katakana before the dot, the last kana of a given name. It must never take a word that
//! no list has, but for what a dot joins.

use super::lexicon::Lexicon;
use super::table::{GIVEN, LATIN_SURNAME, ROMAJI, hash};
use crate::pii::finding::Finding;
use crate::pii::kind::Kind;
use crate::pii::titles::honorific;

/// Longer words before a dot are others in a list of things: スズキ・トヨタ.
const PART_LETTERS_MAX: usize = 3;
/// So many short words stand before a name: ド・ラ・クルス.
const PARTS_MAX: usize = 2;
/// Of a given name in kana so many may be missing.
const KANA_MISSING_MAX: usize = 2;

/// Gives a name its edges.
pub(super) fn widen(text: &str, finding: &mut Finding, lexicon: &Lexicon) {
    if finding.kind != Kind::Person {
        return;
    }
    let before = text.get(..finding.start).unwrap_or_default();
    let value = text.get(finding.start..finding.end).unwrap_or_default();
    let after = text.get(finding.end..).unwrap_or_default();
    let first = value.chars().next();
    finding.start += particle(value, after, lexicon);
    if first.is_some_and(is_katakana) {
        finding.start -= joined(before);
    } else if first.is_some_and(|letter| letter.is_ascii_uppercase()) {
        finding.start -= capitals(before, value, lexicon);
    }
    if after.starts_with('-') {
        finding.end += second_part(value, after);
    }
    if value.ends_with(is_hiragana) && after.starts_with(is_hiragana) {
        finding.end += missing(value, after, lexicon);
    }
}

fn is_katakana(letter: char) -> bool {
    matches!(letter, 'ァ'..='ヶ' | 'ー')
}

fn is_hiragana(letter: char) -> bool {
    matches!(letter, 'ぁ'..='ゖ')
}

/// Of はさおり before さん the particle is no part: bytes of it.
fn particle(value: &str, after: &str, lexicon: &Lexicon) -> usize {
    let is_given = |word: &str| lexicon.lists(hash(word)) & GIVEN != 0;
    let rest = value.strip_prefix(['は', 'が', 'と', 'に', 'の', 'も']);
    let is_kana = value.chars().all(is_hiragana);
    let named = is_kana && rest.is_some_and(is_given) && !is_given(value);
    if named && honorific(after).is_some() { 'は'.len_utf8() } else { 0 }
}

/// ド・ before ゴール: bytes of the short word and its dot.
fn joined(before: &str) -> usize {
    let mut rest = before;
    for _ in 0..PARTS_MAX {
        let Some(dotted) = rest.strip_suffix('・') else { break };
        let head = dotted.trim_end_matches(is_katakana);
        let letters = (dotted.len() - head.len()) / 'ァ'.len_utf8();
        if !(1..=PART_LETTERS_MAX).contains(&letters) {
            return 0;
        }
        rest = head;
    }
    if rest.ends_with('・') { 0 } else { before.len() - rest.len() }
}

/// NGUYEN before Thi Mai: bytes of a listed surname that is all in capitals, and its blank.
fn capitals(before: &str, value: &str, lexicon: &Lexicon) -> usize {
    let Some(rest) = before.strip_suffix(' ') else { return 0 };
    let word = rest.len() - rest.trim_end_matches(|c: char| c.is_ascii_uppercase()).len();
    let surname = rest.get(rest.len() - word..).unwrap_or_default();
    let alone = !rest.get(..rest.len() - word).unwrap_or_default().ends_with(char::is_alphanumeric);
    let mixed = value.bytes().any(|byte| byte.is_ascii_lowercase());
    let listed = || {
        let lists = lexicon.lists(hash(&surname.to_ascii_lowercase()));
        lists & (LATIN_SURNAME | ROMAJI) != 0
    };
    if alone && mixed && word > 2 && listed() { word + 1 } else { 0 }
}

/// Of Kim Soo-ah the model leaves the part in small letters: bytes of it and its hyphen.
fn second_part(value: &str, after: &str) -> usize {
    const SURNAMES: [&str; 24] = [
        "Kim", "Lee", "Park", "Choi", "Jung", "Jeong", "Kang", "Cho", "Yoon", "Jang", "Lim", "Han",
        "Oh", "Seo", "Shin", "Kwon", "Hwang", "Ahn", "Song", "Yoo", "Hong", "Moon", "Bae", "Yang",
    ];
    const OTHERS: [&str; 5] = ["like", "led", "based", "style", "run"];
    let mut words = value.split(' ');
    let is_korean = words.next().is_some_and(|word| SURNAMES.contains(&word));
    let rest = after.get(1..).unwrap_or_default();
    let small = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
    let part = rest.get(..small).unwrap_or_default();
    let ends = !rest.get(small..).unwrap_or_default().starts_with(char::is_alphanumeric);
    let sized = (2..=6).contains(&small) && !OTHERS.contains(&part);
    if is_korean && words.count() == 1 && ends && sized { 1 + small } else { 0 }
}

/// み behind なつ: bytes of the kana with which it is a listed name that ends there.
fn missing(value: &str, after: &str, lexicon: &Lexicon) -> usize {
    let head = value.trim_end_matches(is_hiragana);
    let begun = value.get(head.len()..).unwrap_or_default();
    let kana = after.len() - after.trim_start_matches(is_hiragana).len();
    let (kana, rest) = after.split_at(kana);
    let ends = rest.is_empty() || rest.starts_with(['、', '。', ',', '(', ')', '\n', ' ', '」']);
    let fits = ends
        && head.ends_with(' ')
        && kana.chars().count() <= KANA_MISSING_MAX
        && lexicon.lists(hash(&format!("{begun}{kana}"))) & GIVEN != 0;
    if fits { kana.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::{Finding, Kind, Lexicon, widen};
    use crate::pii::finding::Trust;

    #[test]
    fn what_is_missing_of_a_name_is_taken() {
        let lexicon = Lexicon::new();
        let whole = |text: &'static str, part: &str| {
            let start = text.find(part).unwrap();
            let end = start + part.len();
            let mut finding = Finding { start, end, kind: Kind::Person, trust: Trust::Guess };
            widen(text, &mut finding, &lexicon);
            &text[finding.start..finding.end]
        };
        assert_eq!(whole("ド・ゴールさん", "ゴール"), "ド・ゴール");
        assert_eq!(whole("デ・ラ・ゴールさん", "ゴール"), "デ・ラ・ゴール");
        assert_eq!(whole("ア・イ・ウ・ゴール", "ゴール"), "ゴール");
        assert_eq!(whole("ブドウジャム・ゴールさん", "ゴール"), "ゴール");
        assert_eq!(whole("氏名 NGUYEN Thi Mai、", "Thi Mai"), "NGUYEN Thi Mai");
        assert_eq!(whole("the CEO Thi Mai", "Thi Mai"), "Thi Mai");
        assert_eq!(whole("Choi Yu-na will come", "Choi Yu"), "Choi Yu-na");
        assert_eq!(whole("a Lee Evans-like joke", "Lee Evans"), "Lee Evans");
        assert_eq!(whole("桜井 なつみ、", "桜井 なつ"), "桜井 なつみ");
        assert_eq!(whole("桜井 なつにも、", "桜井 なつ"), "桜井 なつ");
    }
}
