//! Japanese basic pension numbers, where something says that they are. Must never take ten digits
//! that nothing names.

use super::Recognizers;
use super::rule::Rule;
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const LABELLED: &str = concat!(
    r"(?:年金(?:手帳)?(?:の)?(?:記号)?番号|年金番号|年金手帳)[^0-9\n]{0,20}\n?[^0-9\n]{0,12}([0-9]{",
    r"4}[ \-]?[0-9]{6})"
);

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    all.push(Box::new(
        Rule::own(Kind::PensionNumber, Trust::Context, LABELLED)?.accept(|hit| hit.stands_alone()),
    ));
    Ok(())
}
