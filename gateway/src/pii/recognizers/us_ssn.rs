//! US social security numbers. Must never take a pattern's text or a longer number's part.

use super::Recognizers;
use super::rule::{Hit, Rule};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const DASHED: &str = r"[0-9]{3}-[0-9]{2}-[0-9]{4}";
const LABELLED: &str = concat!(
    r"(?i)(?:\bssn\b|social security(?: number| no\.?)?|\bitin\b)[^0-9\n]{0,40}\n?",
    r"[^0-9\n]{0,20}([0-9]{3}[ \-.]?[0-9]{2}[ \-.]?[0-9]{4})"
);

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    all.push(Box::new(Rule::own(Kind::UsSsn, Trust::Proof, DASHED)?.accept(is_issued)));
    all.push(Box::new(
        Rule::own(Kind::UsSsn, Trust::Context, LABELLED)?.accept(|hit| hit.stands_alone()),
    ));
    Ok(())
}

fn is_issued(hit: &Hit) -> bool {
    let value = hit.value();
    let possible = !value.starts_with("000") && !value.contains("-00-");
    possible && !value.ends_with("-0000") && hit.stands_alone()
}
