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

/// Behind the pension alone, in the form that its numbers have.
const GROUPED: &str = r"(?:厚生|国民|基礎)年金[^0-9\n]{0,8}([0-9]{4}-[0-9]{6})";
/// Lines of public offices are in that form, too.
const LINES: [&str; 4] = ["0120", "0570", "0800", "0990"];

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    all.push(Box::new(
        Rule::own(Kind::PensionNumber, Trust::Context, LABELLED)?.accept(|hit| hit.stands_alone()),
    ));
    let grouped = Rule::own(Kind::PensionNumber, Trust::Context, GROUPED)?;
    all.push(Box::new(grouped.accept(|hit| {
        hit.stands_alone() && !LINES.iter().any(|line| hit.value().starts_with(line))
    })));
    Ok(())
}
