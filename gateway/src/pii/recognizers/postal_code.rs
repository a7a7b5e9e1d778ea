//! Postal codes: Japanese ones with their sign, label or address, and foreign ones with a label.
//! Must never take a part of a phone number or of a product number.

use super::Recognizers;
use super::rule::Rule;
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const SIGNED: &str = r"〒 ?([0-9]{3} ?-? ?[0-9]{4})";
const LABELLED: &str = concat!(
    r"(?i)(?:郵便番号|\bzip(?:[ _]?code)?\b|\bpostal[ _]?code\b|\bpostcode\b|\bpost co",
    r"de\b)[^0-9\n]{0,14}?\n?[^0-9\n]{0,6}?([0-9]{3}-?[0-9]{4})"
);
const FOREIGN: &str = concat!(
    r"(?i)(?:\bzip(?:[ _]?code)?\b|\bpostal[ _]?code\b|\bpostcode\b|\bpost code\b)",
    r"(?: is| was)?[ :='\x22]{1,4}\n?([A-Z]{0,2}[0-9][A-Z0-9]{1,5}(?:[ \-][A-Z0-9",
    r"]{2,4})?)"
);
/// Without a label: a Japanese address follows.
const BEFORE_ADDRESS: &str = concat!(
    r"([0-9]{3}-[0-9]{4})[ \n]{1,2}(?:東京都|北海道|(?:京都|大阪)府|[\p{Han}]{2,3}県|[\p{Han}",
    r"]{1,4}[市区郡町村])"
);

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    for pattern in [SIGNED, LABELLED, BEFORE_ADDRESS] {
        let rule = Rule::own(Kind::PostalCode, Trust::Context, pattern)?;
        all.push(Box::new(rule.accept(|hit| hit.stands_alone())));
    }
    let foreign = Rule::own(Kind::PostalCode, Trust::Context, FOREIGN)?;
    all.push(Box::new(foreign.accept(|hit| hit.digits().len() > 1 && hit.stands_alone())));
    Ok(())
}
