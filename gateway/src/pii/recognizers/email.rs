//! E-mail addresses. Must never take the sentence around an address with it.

use super::Recognizers;
use super::rule::Rule;
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

/// The local part may stand at the end of the line before: a value sent in two messages.
const ADDRESS: &str = concat!(
    r"[A-Za-z0-9_][A-Za-z0-9._%+'\-]{0,63}\n?@(?:[A-Za-z0-9][A-Za-z0-9\-]{0,62}\.",
    r"){1,8}[A-Za-z]{2,24}"
);

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    all.push(Box::new(Rule::own(Kind::Email, Trust::Proof, ADDRESS)?));
    Ok(())
}
