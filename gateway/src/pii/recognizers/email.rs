//! E-mail addresses. Must never take the sentence around an address with it.

use super::Recognizers;
use super::rule::{Hit, Rule};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

/// The local part may stand at the end of the line before: a value sent in two messages.
const ADDRESS: &str = concat!(
    r"[A-Za-z0-9_][A-Za-z0-9._%+'\-]{0,63}\n?@(?:[A-Za-z0-9][A-Za-z0-9\-]{0,62}\.",
    r"){1,8}[A-Za-z]{2,24}"
);

/// With a word in the place of the sign.
const SPELT: [&str; 2] = [
    concat!(
        r"(?i)[A-Za-z0-9_][A-Za-z0-9._%+\-]{0,63} ?(?:\[at\]|\(at\)|\[@\]|\(@\)) ?",
        r"[A-Za-z0-9][A-Za-z0-9\-]{0,62}(?: ?(?:\.|\[dot\]|\(dot\)) ?[A-Za-z0-9\-]{2,62}){1,4}"
    ),
    concat!(
        r"(?i)\b[A-Za-z0-9][A-Za-z0-9._+\-]{1,63} {1,2}at [A-Za-z0-9][A-Za-z0-9\-]{1,62}",
        r"(?: dot [A-Za-z0-9\-]{2,62}){0,2} dot (?:com|net|org|edu|gov|io|jp|uk)\b"
    ),
];

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    all.push(Box::new(Rule::own(Kind::Email, Trust::Proof, ADDRESS)?));
    for pattern in SPELT {
        let rule = Rule::own(Kind::Email, Trust::Context, pattern)?;
        all.push(Box::new(rule.accept(is_spelt)));
    }
    Ok(())
}

/// `look at the dot com boom` is a sentence.
fn is_spelt(hit: &Hit) -> bool {
    !["the", "a", "an", "this", "that", "every"].into_iter().any(|word| {
        let mut words = hit.value().split(' ');
        words.any(|one| one.eq_ignore_ascii_case(word))
    })
}
