//! Domestic bank accounts, where something says that they are: 普通 and 当座 accounts, the post
//! bank's 記号 and 番号, and English account numbers. Must never take the branch or the amount.

use super::Recognizers;
use super::rule::{Hit, Rule};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const PATTERNS: [&str; 9] = [
    r"\([普当貯]\) ?([0-9]{6,8})",
    r"支店 ?(?:普通|当座|\(普\)|\(当\))? ?([0-9]{7})",
    r"(?:記号|ゆうちょ|郵貯)[^0-9\n]{0,6}([0-9]{5}-(?:[0-9]-)?[0-9]{6,8})",
    concat!(
        r"(?i)\b(?:routing|aba|sort code)(?: ?(?:number|no\.?|#))?[ :#]{0,3}(?:is )?([",
        r"0-9]{9}|[0-9]{2}-[0-9]{2}-[0-9]{2})"
    ),
    r"(?:普通|当座|貯蓄)(?:預金)?(?:口座)?(?:番号)?[^0-9\n]{0,4}([0-9]{6,8})",
    concat!(
        r"口座(?:番号|No\.?|の番号)?[^0-9\n]{0,16}\n?[^0-9\n]{0,10}\n?(?:[^0-9\n]{0,8}[0-9]桁[",
        r"^0-9\n]{0,20}\n)?([0-9]{6,8})"
    ),
    r"(?:ゆうちょ|郵貯|記号)[^0-9\n]{0,10}([0-9]{5}(?:-[0-9])?)[^0-9\n]{0,8}番号",
    r"(?:ゆうちょ|郵貯|記号)[^0-9\n]{0,10}[0-9]{5}(?:-[0-9])?[^0-9\n]{0,8}番号[^0-9\n]{0,4}([0-9]{6,8})",
    concat!(
        r"(?i)\b(?:bank )?(?:account|acct|a/c)(?: ?(?:number|no\.?|num|#))?[ :#]{0,3}",
        r"(?:is|was)?[ :]{0,2}\n?([0-9](?:[ \-]?[0-9]){5,16})"
    ),
];

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    for pattern in PATTERNS {
        let rule = Rule::own(Kind::BankAccount, Trust::Context, pattern)?;
        all.push(Box::new(rule.accept(|hit| hit.stands_alone() && !is_date(hit))));
    }
    Ok(())
}

/// 2024-05-01, 1 2024: when an account was opened.
fn is_date(hit: &Hit) -> bool {
    let mut groups = hit.value().split(['-', ' ']);
    let is_year =
        |group: &str| group.len() == 4 && (group.starts_with("19") || group.starts_with("20"));
    let groups =
        [groups.next(), groups.next(), groups.next(), groups.next()].map(Option::unwrap_or_default);
    let [first, second, third, rest] = groups;
    rest.is_empty()
        && second.len() <= 2
        && third.len() <= 4
        && (is_year(first) || is_year(third))
        && hit.value().len() > first.len()
}

#[cfg(test)]
mod tests {
    use super::super::Digits;
    use super::{Recognizers, add};

    #[test]
    fn an_account_may_be_in_groups() {
        let mut all = Recognizers::new();
        add(&mut all).unwrap();
        let count = |text: &str| {
            let mut findings = Vec::new();
            all.iter().for_each(|rule| rule.find(text, &Digits::of(text), &mut findings));
            findings.len()
        };
        assert_eq!(count("Acct # 0031 7725 410"), 1);
        assert_eq!(count("account number: 8231-4400-17"), 1);
        assert_eq!(count("account 2024-05-01 opened"), 0);
        assert_eq!(count("the account 12 months later"), 0);
    }
}
