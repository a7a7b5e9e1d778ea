//! E-mail addresses. Must never take the sentence around an address with it.

use super::Recognizers;
use super::rule::{Hit, Rule, small};
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

/// Of the header of a mail, so much is looked at.
const HEADER_BYTES_MAX: usize = 160;

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    let address = Rule::own(Kind::Email, Trust::Proof, ADDRESS)?;
    all.push(Box::new(address.accept(|hit| !is_of_a_mail(hit))));
    for pattern in SPELT {
        let rule = Rule::own(Kind::Email, Trust::Context, pattern)?;
        all.push(Box::new(rule.accept(is_spelt)));
    }
    Ok(())
}

/// The name of a mail, not of a mailbox: `Message-ID: <4711@host.example>`.
fn is_of_a_mail(hit: &Hit) -> bool {
    const HEADERS: [&str; 3] = ["message-id:", "in-reply-to:", "references:"];
    if hit.before() != Some('<') {
        return false;
    }
    let before = small(hit.text_before(HEADER_BYTES_MAX));
    let line = before.rsplit('\n').next().unwrap_or_default();
    HEADERS.iter().any(|header| line.trim_start().starts_with(header))
}

/// `look at the dot com boom` is a sentence.
fn is_spelt(hit: &Hit) -> bool {
    !["the", "a", "an", "this", "that", "every"].into_iter().any(|word| {
        let mut words = hit.value().split(' ');
        words.any(|one| one.eq_ignore_ascii_case(word))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::counting;
    use super::add;

    #[test]
    fn the_name_of_a_mail_is_no_mailbox() {
        let count = counting(add);
        assert_eq!(count("Message-ID: <2025.8F3A1@mx.example.jp>"), 0);
        assert_eq!(count("In-Reply-To: <a1@mx.example.jp>\nFrom: Jo <jo@example.jp>"), 1);
        assert_eq!(count("my message-id? <jo@example.jp>"), 1);
    }
}
