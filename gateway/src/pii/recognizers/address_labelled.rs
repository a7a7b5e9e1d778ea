//! Addresses that a key names (`"street": "…"`, `line1:`). The tagger finds those that are written
//! as usual; a key is surer. It must never take an address of a machine, of a wallet or of mail.

use super::Recognizers;
use super::rule::{Hit, Rule};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const KEYED: &str = concat!(
    r"(?i)\b(?:street(?:[_ ]?address)?|(?:address|addr)[_ ]?(?:line[_ ]?)?[12]|line_?1|住所[12]?)",
    r#"["']?(?:\s?[:=]\s?["']?|>)([^"'<>\n]{6,80}[^"'<>\n\s])(?:["'<\n]|$)"#
);

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    let rule = Rule::own(Kind::Address, Trust::Guess, KEYED)?;
    all.push(Box::new(rule.accept(is_address)));
    Ok(())
}

/// A house number and words: `742 Evergreen Terrace`, `3-5-1 Marunouchi`.
fn is_address(hit: &Hit) -> bool {
    const SIGNS: [char; 12] = ['@', '/', '{', '}', '(', ')', '=', '$', '_', ':', '%', ';'];
    let value = hit.value();
    let is_number = |word: &str| {
        word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && word.bytes().any(|byte| byte.is_ascii_digit())
    };
    let is_word = |word: &str| {
        let mut letters = word.chars();
        letters.next().is_some_and(char::is_uppercase)
            && letters.filter(|c| c.is_lowercase()).count() > 1
    };
    let words: Vec<&str> = value.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let ends = [words.first(), words.last()].into_iter().flatten();
    let numbered = ends.into_iter().any(|word| is_number(word));
    numbered && !value.contains(SIGNS) && words.iter().any(|word| is_word(word))
}
