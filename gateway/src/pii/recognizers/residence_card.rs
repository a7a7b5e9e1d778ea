//! Japanese residence cards: two letters, eight digits, two letters. Must never take a longer
//! token's part.

use super::Recognizers;
use super::rule::Rule;
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const NUMBER: &str = r"[A-Za-z]{2} ?[0-9]{8} ?[A-Za-z]{2}";

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    all.push(Box::new(
        Rule::own(Kind::ResidenceCard, Trust::Proof, NUMBER)?.accept(|hit| hit.stands_alone()),
    ));
    Ok(())
}
