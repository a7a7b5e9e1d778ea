//! Names of persons that a form's label names: 氏名, フリガナ, 名義. The tagger finds most of them;
//! a label is surer. It must never take what a form says instead of a name (必須, 未記入).

use super::Recognizers;
use super::labels::{self, BETWEEN};
use super::rule::{Hit, Rule};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

/// A reading behind its label.
const KANA: &str = concat!(
    r"([ァ-ヶー]{2,9}(?:[ ・]{1,2}[ァ-ヶー]{2,9})?|[ぁ-ゖー]{2,9} ?[ぁ-ゖー]{0,9})",
    r"(?:[\n、,。(\x22'|;/]|$)"
);
/// A name behind its label.
const NAME: &str =
    r"([\p{Han}々ヶ]{1,4} ?[\p{Han}々ヶぁ-んァ-ヶー]{1,6})(?:[\n、,。(\x22'|;/}<]|様|さん|$)";
/// The reading beside a name: `'御厨 洋平', 'ミクリヤ ヨウヘイ'`.
const BESIDE: &str = concat!(
    r#"["'][\p{Han}々ヶ]{1,4} ?[\p{Han}々ヶぁ-んァ-ヶー]{1,5}["'], ?"#,
    r#"["']([ァ-ヶー]{2,7}[ ・][ァ-ヶー]{2,7})["']"#
);

/// 予約名はスズキ、: what is asked for has a label, and the label a sentence.
const CALLED: &str = concat!(
    r"(?:予約名|お名前|氏名|名義|宛名|差出人|受取人|依頼人|送り主|苗字|名字)(?:は|が)「?",
    r"([ァ-ヶー]{3,9}(?:[ ・]{1,2}[ァ-ヶー]{2,9})?)(?:[\n、,。」]|です|さん|様|で|$)"
);

/// 姓=鈴木 名=遥: each alone, however short.
const SPLIT: &str = concat!(
    r#"(?:(?:^|[ ,;&{(\n])(?:姓|名|セイ|メイ)=["']?|["'](?:姓|名|セイ|メイ)["'] ?: ?["'])"#,
    r"([\p{Han}々ヶぁ-んァ-ヶー]{1,8})"
);

/// A name in Latin letters behind its label.
const LATIN: &str = r"([A-Z][A-Za-z'\-]+(?: [A-Z][A-Za-z'\-]+){1,2})";

/// Behind the key of a record: `"lastName": "Quill"`, `<surname>Quill</surname>`, `holder="…"`.
const KEYED: &str = concat!(
    r"(?i)(?:\b|_)(?:(?:first|last|full|given|family|middle|customer|display|real|cont",
    r"act|recipient|card_?holder|",
    r"patient|employee|maiden)[_\- ]?name|sur_?name|account_?holder|card_?holder|holder|recipient)",
    r#"["']?(?:\s?[:=]\s?["']|>)([^"'<>\n]{2,40})["'<]"#
);

/// `given: "Aurelio", family: "Bianchetti"`: two of these are one person.
const PART: &str = r#"(?i:given|family|first|last)(?i:_?name)?["']?\s?(?:[:=]|=>)\s?["']"#;
const PART_VALUE: &str = r#"(\p{Lu}[\p{L}'\- ]{1,24})["']"#;
const PART_OTHER: &str = r#"\p{Lu}[\p{L}'\- ]{1,24}["']"#;

/// `Surname: Quill Given names: Odalys`, in a line without quotes.
const SURNAMES: &str = r"(?i:surname|last name|family name) ?[:=] ?";
const GIVEN_NAMES: &str = r"(?i:(?:given|first|middle) ?names?|full name) ?[:=] ?";
const PLAIN: &str = r"(\p{Lu}[\p{L}'\-]+(?: \p{Lu}[\p{L}'\-]+){0,2})";

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    let (names, readings) = (labels::names(), labels::readings());
    for pattern in [
        format!("{readings}{BETWEEN}{KANA}"),
        format!("{names}{BETWEEN}{NAME}"),
        format!("(?:{names}|名前|名義|契約者){BETWEEN}{LATIN}"),
        BESIDE.to_owned(),
        CALLED.to_owned(),
        SPLIT.to_owned(),
    ] {
        let rule = Rule::own(Kind::Person, Trust::Guess, &pattern)?;
        all.push(Box::new(rule.accept(is_name)));
    }
    for pattern in [
        format!(r#"\b{PART}{PART_VALUE},?\s?["']?{PART}"#),
        format!(r#"\b{PART}{PART_OTHER},?\s?["']?{PART}{PART_VALUE}"#),
    ] {
        all.push(Box::new(Rule::own(Kind::Person, Trust::Pattern, &pattern)?.accept(is_name)));
    }
    for labels in [SURNAMES, GIVEN_NAMES] {
        let plain = Rule::own(Kind::Person, Trust::Pattern, &format!("{labels}{PLAIN}"))?;
        all.push(Box::new(plain.shorten(before_label).accept(is_keyed)));
    }
    let keyed = Rule::own(Kind::Person, Trust::Pattern, KEYED)?;
    all.push(Box::new(keyed.accept(is_keyed)));
    Ok(())
}

/// Where the next label of the line begins, which the pattern took for a part of the name.
fn before_label(hit: &Hit) -> usize {
    const LABELS: [&str; 13] = [
        "Given",
        "First",
        "Last",
        "Middle",
        "Surname",
        "Family",
        "Passport",
        "Date",
        "Place",
        "Nationality",
        "Sex",
        "Gender",
        "Address",
    ];
    let words = hit.value().match_indices(' ').map(|(at, _)| at);
    let is_label = |at: &usize| {
        let rest = hit.value().get(at + 1..).unwrap_or_default();
        LABELS.iter().any(|label| rest.starts_with(label))
    };
    let cut = words.into_iter().find(is_label);
    cut.map_or(hit.end, |at| hit.start + at)
}

/// A capital and no word of what describes a record.
fn is_keyed(hit: &Hit) -> bool {
    const WORDS: [&str; 9] =
        ["string", "text", "name", "null", "none", "varchar", "unknown", "required", "example"];
    let value = hit.value();
    let capital = value.chars().next().is_some_and(|c| c.is_alphabetic() && !c.is_lowercase());
    let letters = value.chars().all(|c| c.is_alphabetic() || " '.・-".contains(c));
    let describes = |word: &str| WORDS.iter().any(|other| word.eq_ignore_ascii_case(other));
    let labels = ["名前", "氏名"].iter().any(|label| value.contains(label));
    capital && letters && !labels && !value.split(' ').any(describes) && is_name(hit)
}

fn is_name(hit: &Hit) -> bool {
    const WORDS: [&str; 27] = [
        "カタカナ",
        "ローマ字",
        "フルネーム",
        "ネーム",
        "イニシャル",
        "テスト",
        "サンプル",
        "ダミー",
        "ゲスト",
        "スペース",
        "必須",
        "任意",
        "未記入",
        "未入力",
        "入力",
        "記入",
        "空欄",
        "不明",
        "匿名",
        "同上",
        "なし",
        "未定",
        "会社",
        "法人",
        "変更",
        "本人",
        "募集",
    ];
    !WORDS.iter().any(|word| hit.value().contains(word))
}

#[cfg(test)]
mod tests {
    use super::super::Digits;
    use super::{Recognizers, add};

    #[test]
    fn a_label_may_be_in_a_sentence_or_a_field() {
        let mut all = Recognizers::new();
        add(&mut all).unwrap();
        let found = |text: &'static str| {
            let (digits, mut findings) = (Digits::of(text), Vec::new());
            all.iter().for_each(|rule| rule.find(text, &digits, &mut findings));
            findings.iter().map(|f| &text[f.start..f.end]).collect::<Vec<_>>()
        };
        assert_eq!(found("予約名はスズキ、二名です"), ["スズキ"]);
        assert_eq!(found("姓=鈴木 名=遥 年齢=30"), ["鈴木", "遥"]);
        assert_eq!(found("連帯保証人 Lopez Marta"), ["Lopez Marta"]);
        assert_eq!(found("{\"氏名\":\"谷頭 恭\",\"額\":3}"), ["谷頭 恭"]);
        assert_eq!(found("{\"姓\":\"生稲\",\"名\":\"恭\"}"), ["生稲", "恭"]);
        assert_eq!(found("('御厨 洋平', 'ミクリヤ ヨウヘイ')"), ["ミクリヤ ヨウヘイ"]);
        assert_eq!(found("given: \"Odalys\", family: \"Quill\""), ["Odalys", "Quill"]);
        assert_eq!(found("Surname: Quill Given names: Odalys Passport"), ["Quill", "Odalys"]);
        assert!(found("\"first\": \"page\", \"last\": \"end\"").is_empty());
        assert!(found("お名前はカタカナで。品名=本 件名=会議").is_empty());
    }
}
