//! Health insurance numbers (記号・番号, 保険者番号), where something says that they are. Must
//! never take a number of another label.

use super::Recognizers;
use super::rule::Rule;
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const LABELLED: &str = concat!(
    r"(?:健康保険証?|保険証|被保険者証?|保険者番号|資格確認書)[^0-9\n]{0,16}\n?[^0-9\n]{0,12}([0-9]{2,8}",
    r"(?:[ \-・/][0-9]{1,8}){0,2})"
);
const NUMBER_AFTER_SYMBOL: &str = concat!(
    r"(?:健康保険証?|保険証|被保険者証?|資格確認書)[^0-9\n]{0,12}[0-9]{1,8}",
    r"(?:[ \-・/][0-9]{1,8}){0,2}[^0-9\n]{1,3}番号[^0-9\n]{0,3}([0-9]{1,8})"
);

/// 記号 and 番号 side by side, where the line speaks of an insurer.
const SYMBOL: &str = r"保険[^\n]{0,40}記号[ :は・]{0,3}([0-9]{1,8}(?:[\-・/][0-9]{1,8}){0,2})";
const NUMBER_LAST: &str =
    r"保険[^\n]{0,40}記号[ :は・]{0,3}[0-9\-・/]{1,17}[^0-9\n]{0,6}番号[ :は]{0,3}([0-9]{1,8})";
const ENGLISH: &str = concat!(
    r"(?i)\b(?:medicare|medicaid|nhs|health insurance|insur(?:ance|er|ed)[ _](?:poli",
    r"cy|member|id|no|number)|member id|policy)(?: ?(?:number|no\.?|id|#))?",
    r"[ :#=\x22']{0,4}(?:is )?",
    r"((?:[A-Z]{",
    r"0,4}[0-9][A-Z0-9]{2,12})(?:[ -][A-Z]{0,4}[0-9][A-Z0-9]{0,4}){0,3})"
);

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    for pattern in [LABELLED, NUMBER_AFTER_SYMBOL, SYMBOL, NUMBER_LAST, ENGLISH] {
        let rule = Rule::own(Kind::HealthInsurance, Trust::Context, pattern)?;
        all.push(Box::new(rule.accept(|hit| hit.stands_alone())));
    }
    Ok(())
}
