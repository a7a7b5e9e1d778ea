//! Passport numbers, where something says that they are. Must never take a part number of the
//! same look.

use super::Recognizers;
use super::rule::Rule;
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const LABELLED: &str = concat!(
    r"(?i)(?:パスポート|旅券|passport)[^0-9\n]{0,40}?\n?[^0-9\n]{0,20}?\b?([A-Z]{1,2}[ \-",
    r"]?[0-9]{6,8}|[0-9]{8,9})"
);

/// The label may follow in brackets.
const LABEL_AFTER: &str =
    r"(?i)\b([A-Z]{2}[0-9]{7})(?: ?[(「]| は| is)? ?(?:パスポート|旅券|passport)";

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    for pattern in [LABELLED, LABEL_AFTER] {
        let rule = Rule::own(Kind::Passport, Trust::Context, pattern)?;
        all.push(Box::new(rule.accept(|hit| hit.stands_alone())));
    }
    Ok(())
}
