//! Names beside an at sign, as chats have them: `@みっちー 配達先は`, `たなべ@経理：`. It must never
//! take what is in an address of mail, nor a group that is spoken to (@みんな).

use super::{Digits, Need, Recognizer, Recognizers};
use crate::pii::finding::{Finding, Trust};
use crate::pii::kind::Kind;

/// Letters of a name, and of the department behind it.
const NAME_MIN: usize = 2;
const NAME_MAX: usize = 8;
const DEPARTMENT_MAX: usize = 10;
/// Who is no single person, and what else an at sign is put before.
const OTHERS: [&str; 14] = [
    "みんな",
    "みな",
    "ひと",
    "ふた",
    "ぜんいん",
    "わたし",
    "ぼく",
    "おれ",
    "あと",
    "いま",
    "どこ",
    "ここ",
    "うち",
    "じぶん",
];

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    all.push(Box::new(Mentioned));
    Ok(())
}

struct Mentioned;

impl Recognizer for Mentioned {
    fn need(&self) -> Need {
        Need::of("@")
    }

    fn find(&self, text: &str, _: &Digits, findings: &mut Vec<Finding>) {
        for (at, _) in text.match_indices('@') {
            let (before, after) = (text.get(..at), text.get(at + 1..));
            let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
            let found = match mentioned(before, after) {
                Some(length) => Some((at + 1, at + 1 + length)),
                None => speaking(before, after).map(|length| (at - length, at)),
            };
            findings.extend(found.map(|(start, end)| {
                let (kind, trust) = (Kind::Person, Trust::Guess);
                Finding { start, end, kind, trust }
            }));
        }
    }
}

/// Bytes of the name in hiragana behind an at sign at the beginning of a line or a word.
fn mentioned(before: &str, after: &str) -> Option<usize> {
    let begins = before.is_empty() || before.ends_with([' ', '\n', '\t', '、', '。']);
    let is_kana = |c: &char| matches!(c, 'ぁ'..='ゖ' | 'ー');
    let letters = after.chars().take(NAME_MAX + 1).take_while(is_kana).collect::<String>();
    let name = ["さん", "ちゃん", "くん"].iter().find_map(|end| letters.strip_suffix(end));
    let rest = after.get(letters.len()..).unwrap_or_default();
    let ends = rest.is_empty() || rest.starts_with([' ', '\n', '\t', '、', ':']);
    let name = name.unwrap_or(&letters);
    let sized = (NAME_MIN + 1..=NAME_MAX).contains(&name.chars().count());
    let is_other = OTHERS.iter().any(|other| name.starts_with(other));
    (begins && ends && sized && !is_other).then_some(name.len())
}

/// Bytes of the name at the beginning of a line, before an at sign, a department and a colon.
fn speaking(before: &str, after: &str) -> Option<usize> {
    let is_letter = |c: &char| matches!(c, 'ぁ'..='ゖ' | 'ァ'..='ヺ' | 'ー' | '一'..='龥' | '々');
    let letters = before.chars().rev().take(NAME_MAX + 1).take_while(is_letter);
    let (count, bytes) = letters.fold((0, 0), |(n, b), c| (n + 1, b + c.len_utf8()));
    let head = before.get(..before.len() - bytes).unwrap_or_default();
    let department = after.chars().take(DEPARTMENT_MAX + 1).take_while(is_letter).count();
    let colon = after.chars().nth(department) == Some(':');
    let begins = head.is_empty() || head.ends_with('\n');
    let sized = (NAME_MIN..=NAME_MAX).contains(&count);
    (begins && sized && colon && (1..=DEPARTMENT_MAX).contains(&department)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Digits, Mentioned, Recognizer};

    fn names(text: &str) -> Vec<&str> {
        let mut findings = Vec::new();
        Mentioned.find(text, &Digits::of(text), &mut findings);
        findings.into_iter().map(|found| &text[found.start..found.end]).collect()
    }

    #[test]
    fn who_is_spoken_to_and_who_speaks() {
        assert_eq!(names("@のりぴー 明日は休みます"), ["のりぴー"]);
        assert_eq!(names("了解\n@さゆりさん お願いします"), ["さゆり"]);
        assert_eq!(names("もりた@総務: 届きました"), ["もりた"]);
    }

    #[test]
    fn others_are_left() {
        assert!(names("@みんな 集合です").is_empty());
        assert!(names("あと@ひとつです、単価@さんじゅう円").is_empty());
        assert!(names("mail: a@example.jp, @channel").is_empty());
        assert!(names("会場@渋谷 10時から").is_empty());
    }
}
