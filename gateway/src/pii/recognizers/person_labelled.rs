//! Names of persons that a form's label names: 氏名, フリガナ, 名義. The tagger finds most of them;
//! a label is surer. It must never take what a form says instead of a name (必須, 未記入).

use super::Recognizers;
use super::rule::{Hit, Rule};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const KANA: &str = concat!(
    r"(?:フリガナ|ふりがな|ヨミガナ|よみがな|カナ氏名|氏名カナ|氏名\(カナ\)|名前\(カナ\)|セイメイ)",
    r"[ :=]{1,3}([ァ-ヶー]{2,9}(?:[ ・]{1,2}[ァ-ヶー]{2,9})?|[ぁ-ゖー]{2,9} ?[ぁ-ゖー]{0,9})",
    r"(?:[\n、,。(\x22'|;/]|$)"
);
const NAME: &str = concat!(
    r"(?:氏名|お名前|口座名義|名義人|契約者名|受取人|差出人|患者名|保証人|申込者|申請者|申立人|",
    r"貸主|借主|売主|買主|委任者|受任者|世帯主|筆頭者|飼い主)[ :=]{1,3}",
    r"([\p{Han}々ヶ]{1,4} ?[\p{Han}々ヶぁ-んァ-ヶー]{1,6})(?:[\n、,。(\x22'|;/]|様|さん|$)"
);

/// 予約名はスズキ、: what is asked for has a label, and the label a sentence.
const CALLED: &str = concat!(
    r"(?:予約名|お名前|氏名|名義|宛名|差出人|受取人|依頼人|送り主|苗字|名字)(?:は|が)「?",
    r"([ァ-ヶー]{3,9}(?:[ ・]{1,2}[ァ-ヶー]{2,9})?)(?:[\n、,。」]|です|さん|様|で|$)"
);

/// 姓=鈴木 名=遥: each alone, however short.
const SPLIT: &str =
    concat!(r"(?:^|[ ,;&{(\n])(?:姓|名|セイ|メイ)=[\x22']?", r"([\p{Han}々ヶぁ-んァ-ヶー]{1,8})");

const LATIN: &str = concat!(
    r"(?:氏名|お名前|名前|名義人?|契約者名?|受取人|差出人|患者名|保証人|申込者|申請者|申立人|",
    r"貸主|借主|売主|買主|委任者|受任者|世帯主|筆頭者|飼い主)[ :=]{1,3}",
    r"([A-Z][A-Za-z'\-]+(?: [A-Z][A-Za-z'\-]+){1,2})"
);

/// Behind the key of a record: `"lastName": "Quill"`, `<surname>Quill</surname>`, `holder="…"`.
const KEYED: &str = concat!(
    r"(?i)(?:\b|_)(?:(?:first|last|full|given|family|middle|customer|display|real|cont",
    r"act|recipient|card_?holder|",
    r"patient|employee|maiden)[_\- ]?name|sur_?name|account_?holder|card_?holder|holder|recipient)",
    r#"["']?(?:\s?[:=]\s?["']|>)([^"'<>\n]{2,40})["'<]"#
);

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    for pattern in [KANA, NAME, CALLED, SPLIT, LATIN] {
        let rule = Rule::own(Kind::Person, Trust::Guess, pattern)?;
        all.push(Box::new(rule.accept(is_name)));
    }
    let keyed = Rule::own(Kind::Person, Trust::Pattern, KEYED)?;
    all.push(Box::new(keyed.accept(is_keyed)));
    Ok(())
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
    const WORDS: [&str; 24] = [
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
        assert!(found("お名前はカタカナで。品名=本 件名=会議").is_empty());
    }
}
