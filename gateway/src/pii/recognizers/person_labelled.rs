//! Names of persons where a label or an honorific says so. Must never take the honorific itself
//! or the verb after the name.

use super::Recognizers;
use super::rule::{Hit, Rule};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const PATTERNS: [&str; 4] = [
    concat!(
        r"(?:氏名|お名前|名前|名義|宛名|差出人|フリガナ|ふりがな|苗字|姓|名字)[はをが]?[ :「『]{1,3}([\p{Han}々〆ヶぁ-んァ-ヶ",
        r"ー]{1,8}(?: [\p{Han}々〆ヶぁ-んァ-ヶー]{1,6})?)"
    ),
    r"([\p{Han}々〆ヶ]{2,6}(?: [\p{Han}々〆ヶ]{1,4})?|[ァ-ヶー]{2,8}(?: [ァ-ヶー]{2,8})?) ?(?:様|さん|氏|くん|ちゃん|殿)",
    concat!(
        r"(?i:\bmy name is|\bname|\baccount holder|\bholder|\bi am|\bi'm|\bfrom|\bdear",
        r"|\bissued to)(?::|,| is)?[ ]((?-i:[A-Z][A-Za-z'\-]+)(?:,? (?:[A-Z]\.|[A-Z][A",
        r"-Za-z'\-]+)){0,3})"
    ),
    r"\b(?:Mr|Mrs|Ms|Dr|Prof)\.? ([A-Z][A-Za-z'\-]+(?: (?:[A-Z]\.|[A-Z][A-Za-z'\-]+)){0,2})",
];

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    for pattern in PATTERNS {
        let rule = Rule::new(Kind::Person, Trust::Guess, pattern)?;
        all.push(Box::new(rule.accept(|hit: &Hit| !is_common(hit.value()))));
    }
    Ok(())
}

/// Words before an honorific that are nobody's name.
fn is_common(value: &str) -> bool {
    const WORDS: [&str; 16] = [
        "神", "客", "お客", "皆", "子", "お子", "奥", "王", "殿", "各位", "皆々", "患者", "店員",
        "医者", "仏", "何",
    ];
    WORDS.contains(&value)
}
