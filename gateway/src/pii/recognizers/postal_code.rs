//! Postal codes: Japanese ones with their sign, label or address, and foreign ones with a label.
//! Must never take a part of a phone number or of a product number.

use super::Recognizers;
use super::rule::{Hit, Rule, small};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const SIGNED: &str = r"〒 ?([0-9]{3} ?-? ?[0-9]{4})";
const LABELLED: &str = concat!(
    r"(?i)(?:郵便番号|\bzip(?:[ _]?code)?\b|\bpostal[ _]?code\b|\bpostcode\b|\bpost co",
    r"de\b)[^0-9\n]{0,14}?\n?[^0-9\n]{0,6}?([0-9]{3}-?[0-9]{4})"
);
const FOREIGN: &str = concat!(
    r"(?i)(?:(?:\bzip(?:[ _]?code)?\b|\bpostal[ _]?code\b|\bpostcode\b|\bpost code\b)",
    r"(?: is| was)?|\b(?:zip|postal|post) ?code to)[ :='\x22]{1,4}\n?",
    r"([A-Z]{0,2}[0-9][A-Z0-9]{1,5}(?:[ \-](?:[0-9]",
    r"[A-Z0-9]{1,3}|[A-Z][0-9][A-Z0-9]{0,2}|(?-i:[A-Z]{2})\b))?)"
);
/// Without a label: a Japanese address follows.
const BEFORE_ADDRESS: &str = concat!(
    r"([0-9]{3}-?[0-9]{4})(?:[ \n]{1,2}|[\x22']?[,\t|;] ?[\x22']?)(?:東京都|北海道|(?:京都|大阪)",
    r"府|[\p{Han}]{2,3}県|[\p{Han}",
    r"]{1,4}[市区郡町村])"
);

/// Behind a Japanese address in Latin letters: `Kita-ku, Osaka 530-0015`.
const AFTER_LATIN: &str = r"[a-z](?:-(?:shi|ku|ken|fu|to|gun|machi|cho))?,? ([0-9]{3}-[0-9]{4})\b";
const CONTEXT_BYTES: usize = 60;

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    for pattern in [SIGNED, LABELLED, BEFORE_ADDRESS] {
        let rule = Rule::own(Kind::PostalCode, Trust::Context, pattern)?;
        all.push(Box::new(rule.accept(|hit| hit.stands_alone())));
    }
    let latin = Rule::own(Kind::PostalCode, Trust::Context, AFTER_LATIN)?;
    all.push(Box::new(latin.accept(|hit| hit.stands_alone() && is_in_japan(hit))));
    let foreign = Rule::own(Kind::PostalCode, Trust::Context, FOREIGN)?;
    all.push(Box::new(foreign.accept(|hit| hit.digits().len() > 1 && hit.stands_alone())));
    Ok(())
}

/// Whether the words around are those of an address in Japan.
fn is_in_japan(hit: &Hit) -> bool {
    const SIGNS: [&str; 9] =
        ["-shi", "-ku", "-ken", "-cho", "-machi", "-gun", "tokyo", "osaka", "kyoto"];
    let before = small(hit.text_before(CONTEXT_BYTES));
    let line = before.rsplit('\n').next().unwrap_or_default();
    let house = line.bytes().any(|byte| byte.is_ascii_digit());
    let named = SIGNS.iter().any(|sign| line.contains(sign));
    let after = small(hit.text_after(CONTEXT_BYTES));
    (house && named) || after.trim_start_matches([',', ' ', '.']).starts_with("japan")
}
