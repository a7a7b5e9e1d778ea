//! Driving licence numbers, where something says that they are. Must never take twelve digits
//! that nothing names.

use super::Recognizers;
use super::rule::Rule;
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const JAPANESE: &str = concat!(
    r"(?:免許証?|免許証の番号)[^0-9\n]{0,20}\n?[^0-9\n]{0,12}([0-9]{4}[ \-]?[0-9]{4}[ \-]?[",
    r"0-9]{4})"
);
const ENGLISH: &str = concat!(
    r"(?i)(?:(?:driver'?s?'?|driving) ?licen[sc]e|\bDLN|\bDL#|\bDL #|\bDL:|\bDL no\.?)",
    r"(?: ?(?:number|no\.?|num|#))?[ :#]{0,3}(?:is|was|:)?[ :]{0,2}\n?",
    r"([A-Z]{0,5}[0-9][A-Z0-9]{0,4}(?:-?[A-Z0-9]{2,9}| [A-Z]{0,4}[0-9][A-Z0-9]{1,8}){0,4})"
);
const SHORTEST_DIGITS: usize = 5;

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    let japanese = Rule::own(Kind::DriverLicense, Trust::Context, JAPANESE)?;
    all.push(Box::new(japanese.accept(|hit| hit.stands_alone())));
    let english = Rule::own(Kind::DriverLicense, Trust::Context, ENGLISH)?;
    all.push(Box::new(english.accept(|hit| hit.digits().len() >= SHORTEST_DIGITS)));
    Ok(())
}
