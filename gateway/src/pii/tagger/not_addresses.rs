//! What the model makes of an address too much or too little: two with a way between, a house
//! number without its kanji numeral, a verb behind it, the next sentence; and what is none. It must
//! never drop what has the words of an address.

use super::address_parts::{self, Part};
use super::is_numeral;
use crate::pii::finding::Finding;
use crate::pii::kind::Kind;

/// Before a value that may be an identifier the line is looked at so far.
const LABEL_BYTES_MAX: usize = 32;

/// Cuts the addresses from an index on where one ends and another begins, and sets their edges.
pub(super) fn part(text: &str, from: usize, findings: &mut Vec<Finding>) {
    let mut more = Vec::new();
    for finding in findings.iter_mut().skip(from) {
        if finding.kind != Kind::Address {
            continue;
        }
        let value = text.get(finding.start..finding.end).unwrap_or_default();
        if let Some((first, second)) = cut(value) {
            let start = finding.start + second;
            more.push(Finding { start, ..*finding });
            finding.end = finding.start + first;
        }
        set_edges(text, finding);
        more.extend(part_off(text, finding));
    }
    findings.extend(more);
}

/// Ends an address before what is none of it, or behind what is of it, too; what else was in it.
fn part_off(text: &str, finding: &mut Finding) -> Option<Finding> {
    let start = finding.start;
    let value = text.get(start..finding.end).unwrap_or_default();
    let Some(part) = address_parts::cut(value) else {
        let after = text.get(finding.end..).unwrap_or_default();
        finding.end += address_parts::missing(value, after);
        return None;
    };
    let end = finding.end;
    let (first, other) = match part {
        Part::End(first) => (first, None),
        Part::Next(first, next) => (first, Some(Finding { start: start + next, end, ..*finding })),
        Part::Person(first, from, to) => {
            (first, Some(address_parts::person(start + from, start + to)))
        }
    };
    finding.end = start + first;
    other
}

/// Where the first of two addresses ends and the second begins: `…5-12から神奈川県…`, `…Flat 2,
/// Bristol. Regards, …` (the second is none then, and is dropped as such).
fn cut(value: &str) -> Option<(usize, usize)> {
    const WAYS: [&str; 3] = ["から", "→", "より"];
    cut_at_key(value).or_else(|| {
        WAYS.iter().find_map(|way| {
            let at = value.find(way)?;
            let (before, after) = (value.get(..at)?, value.get(at + way.len()..)?);
            let ends =
                before.ends_with(|c: char| c.is_ascii_digit() || "号室階地館棟)".contains(c));
            let begins = after.trim_start().starts_with(|c: char| matches!(c, '一'..='龥'));
            let second = value.len() - after.trim_start().len();
            (ends && begins).then_some((at, second))
        })
    })
}

/// The next field of a form: 千葉県 市区町村=柏市….
fn cut_at_key(value: &str) -> Option<(usize, usize)> {
    let sign = value.find(['=', ':'])?;
    let key = value.get(..sign)?.trim_end();
    let first = key.rfind([' ', '\n', ','])?;
    let is_key = key.get(first + 1..)?.chars().all(|c| c.is_alphabetic() || c == '_');
    let rest = value.get(sign + 1..)?;
    let second = value.len() - rest.trim_start_matches([' ', '"']).len();
    let end = value.get(..first)?.trim_end_matches([' ', ',', '\n', '"']).len();
    (is_key && end > 0 && second < value.len()).then_some((end, second))
}

fn set_edges(text: &str, finding: &mut Finding) {
    let value = text.get(finding.start..finding.end).unwrap_or_default();
    // 丁目 has its number before it.
    if ["丁目", "番地", "番町", "号室"].iter().any(|unit| value.starts_with(unit)) {
        let before = text.get(..finding.start).unwrap_or_default();
        finding.start = before.trim_end_matches(is_numeral).len();
    }
    // Behind a blank a kanji with the ending of a verb goes on with the sentence: 3-21 遊びに.
    let after = text.get(finding.end..).unwrap_or_default();
    if let Some(at) = value.rfind(' ').filter(|at| is_verb(value.get(at + 1..), after)) {
        finding.end = finding.start + value.get(..at).unwrap_or_default().trim_end().len();
    }
    let value = text.get(finding.start..finding.end).unwrap_or_default();
    // A sentence that ends in a letter's last words.
    let end = value.match_indices(". ").map(|(at, _)| at).find(|at| {
        const LAST: [&str; 7] =
            ["Regards", "Best", "Thanks", "Thank", "Sincerely", "Cheers", "Kind"];
        let rest = value.get(at + 2..).unwrap_or_default();
        LAST.iter().any(|word| rest.starts_with(word))
    });
    if let Some(end) = end {
        finding.end = finding.start + end;
    }
}

/// Whether one kanji begins a word, a verb's ending follows, and the sentence goes on behind it.
/// The names of houses have other kana behind a kanji: 花みずき, 桜の里.
fn is_verb(tail: Option<&str>, after: &str) -> bool {
    const ENDINGS: &str = "いびしっんりけきえちすく";
    let mut letters = tail.unwrap_or_default().chars().chain(after.chars());
    let is_kanji = letters.next().is_some_and(|letter| matches!(letter, '一'..='龥'));
    let is_ending = letters.next().is_some_and(|letter| ENDINGS.contains(letter));
    is_kanji && is_ending && after.starts_with(|c: char| matches!(c, 'ぁ'..='ゖ'))
}

/// An identifier in its label's place (`"番号": "A-7731-02"`), and words that begin with a small
/// letter and have no number among them: `did Ada Byron and C. Babbage`.
pub(super) fn is_nowhere(text: &str, finding: &Finding) -> bool {
    if finding.kind != Kind::Address {
        return false;
    }
    let value = text.get(finding.start..finding.end).unwrap_or_default();
    is_identifier(text, finding.start, value) || is_sentence(value) || address_parts::is_none(value)
}

fn is_identifier(text: &str, start: usize, value: &str) -> bool {
    const LABELS: [&str; 12] = [
        "番号",
        "型番",
        "品番",
        "コード",
        "no",
        "id",
        "code",
        "sku",
        "order",
        "model",
        "number",
        "ref",
    ];
    let is_sign = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
    let hyphens = value.bytes().filter(|byte| *byte == b'-').count();
    let shape = hyphens > 0 && value.starts_with(|c: char| c.is_ascii_uppercase());
    if !shape || !value.bytes().all(is_sign) {
        return false;
    }
    let mut from = start.saturating_sub(LABEL_BYTES_MAX);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let before = text.get(from..start).unwrap_or_default();
    let label = before.trim_end_matches([' ', ':', '=', '"', '\'', '#']).to_lowercase();
    label.len() < before.len() && LABELS.iter().any(|word| label.ends_with(word))
}

fn is_sentence(value: &str) -> bool {
    const STREETS: [&str; 22] = [
        "the",
        "corner",
        "rue",
        "via",
        "calle",
        "rua",
        "avenida",
        "ul",
        "ulica",
        "boulevard",
        "allée",
        "place",
        "chemin",
        "piazza",
        "viale",
        "corso",
        "plaza",
        "camino",
        "strada",
        "strasse",
        "straße",
        "van",
    ];
    // No street is called so.
    const VERBS: [&str; 12] =
        ["got", "scored", "has", "had", "was", "were", "is", "are", "did", "said", "will", "won"];
    let mut words = value.split(' ');
    let first = words.next().unwrap_or_default();
    let is_word = first.bytes().all(|byte| byte.is_ascii_lowercase());
    let street = STREETS.contains(&first.trim_end_matches(['.', ',']));
    let capital = words.any(|word| word.starts_with(|c: char| c.is_ascii_uppercase()));
    let numbered = value.bytes().any(|byte| byte.is_ascii_digit());
    // What was done is no street, whatever numbers there are: scored 82, Olivia 91.
    let done = first.len() > 4 && first.ends_with("ed");
    let verb = value.split(' ').any(|word| VERBS.contains(&word));
    let is_said = is_word && !street && capital && (!numbered || done);
    value.is_ascii() && (verb || is_said)
}

#[cfg(test)]
mod tests {
    use super::{Finding, Kind, is_nowhere, part};
    use crate::pii::finding::Trust;

    fn of(text: &str, value: &str) -> Finding {
        let start = text.find(value).unwrap();
        let end = start + value.len();
        Finding { start, end, kind: Kind::Address, trust: Trust::Guess }
    }

    fn parts<'a>(text: &'a str, value: &str) -> Vec<&'a str> {
        let mut findings = vec![of(text, value)];
        part(text, 0, &mut findings);
        findings.into_iter().map(|found| &text[found.start..found.end]).collect()
    }

    #[test]
    fn an_address_has_its_own_edges() {
        let way = "東京都港区芝1-2-3から千葉県柏市柏4-5";
        assert_eq!(parts(way, way), ["東京都港区芝1-2-3", "千葉県柏市柏4-5"]);
        let form = "千葉県 市区町村=柏市柏4-5";
        assert_eq!(parts(form, form), ["千葉県", "柏市柏4-5"]);
        assert_eq!(parts("紙に二丁目3-4とある", "丁目3-4"), ["二丁目3-4"]);
        assert_eq!(parts("柏市柏4-5 遊びに来て", "柏市柏4-5 遊"), ["柏市柏4-5"]);
        assert_eq!(parts("柏市柏4-5 近いうちに来て", "柏市柏4-5 近いうち"), ["柏市柏4-5"]);
        assert_eq!(parts("柏市柏4-5 花みずきに住む", "柏市柏4-5 花みずき"), ["柏市柏4-5 花みずき"]);
        let letter = "at 9 Elm Row, Leeds. Regards, Jo";
        assert_eq!(parts(letter, "9 Elm Row, Leeds. Regards, Jo"), ["9 Elm Row, Leeds"]);
    }

    #[test]
    fn an_identifier_and_a_sentence_are_nowhere() {
        let is = |text: &str, value: &str| is_nowhere(text, &of(text, value));
        assert!(is("{\"番号\": \"B-4410-7\"}", "B-4410-7"));
        assert!(!is("部屋はB-4410です", "B-4410"));
        assert!(is("How did Ada Byron and C. Babbage meet?", "did Ada Byron and C. Babbage"));
        assert!(is("Jo scored 82, Mia 91", "scored 82, Mia 91"));
        assert!(is("Jo got 82, Mia 91", "Jo got 82, Mia 91"));
        assert!(!is("rue Victor Hugo", "rue Victor Hugo"));
    }
}
