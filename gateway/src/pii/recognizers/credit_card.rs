//! Payment cards: issuer's prefix, length and Luhn's check digit. Must never take a number that
//! the text calls something else.

use super::Recognizers;
use super::rule::{Hit, Rule, small};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const NUMBER: &str = r"[0-9](?:[ \-.]?[0-9]){11,18}";
/// Groups of four, as on the card, also when each is sent in a message of its own.
const GROUPED: &str = r"[0-9]{4}(?:[ \-]?\n?[0-9]{4}){3}";
/// Bytes before a number in which a word can say what it is.
const CONTEXT_BYTES: usize = 90;

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    for pattern in [NUMBER, GROUPED] {
        all.push(Box::new(Rule::own(Kind::CreditCard, Trust::Proof, pattern)?.accept(is_card)));
    }
    Ok(())
}

fn is_card(hit: &Hit) -> bool {
    let digits = hit.digits();
    if !hit.stands_alone() || hit.before() == Some('+') || !passes_luhn(&digits) {
        return false;
    }
    let before = small(hit.text_before(CONTEXT_BYTES));
    if is_called_card(&before) {
        return true;
    }
    let line = before.rsplit('\n').next().unwrap_or_default();
    has_issuer(&digits) && !is_called_otherwise(line, hit.text_after(30))
}

fn is_called_card(before: &str) -> bool {
    ["card", "カード", "credit", "クレジット", "visa", "amex", "mastercard", " cc "]
        .iter()
        .any(|word| before.contains(word))
}

fn is_called_otherwise(before: &str, after: &str) -> bool {
    const BEFORE: [&str; 14] = [
        "注文",
        "追跡",
        "問い合わせ",
        "jan",
        "isbn",
        "order",
        "tracking",
        "ticket",
        "factor",
        "桁の数",
        "upc",
        "invoice",
        "請求",
        "epoch",
    ];
    const AFTER: [&str; 5] = ["を素因数", "prime", "で割", "divisible", "を足"];
    BEFORE.iter().any(|word| before.contains(word)) || AFTER.iter().any(|w| after.contains(w))
}

/// The issuers' prefixes with the lengths that they issue.
pub(in crate::pii) fn has_issuer(digits: &[u8]) -> bool {
    let prefix = |count: usize| {
        digits.iter().take(count).fold(0_u32, |value, digit| value * 10 + u32::from(*digit))
    };
    match digits.len() {
        14 => matches!(prefix(3), 300..=305 | 309 | 360..=369 | 380..=399),
        15 => matches!(prefix(2), 34 | 37) || matches!(prefix(4), 1800 | 2131),
        16 => {
            matches!(prefix(1), 4)
                || matches!(prefix(2), 51..=55 | 62 | 65)
                || matches!(prefix(4), 2221..=2720 | 3528..=3589 | 6011)
                || matches!(prefix(3), 644..=649)
        }
        17..=19 => matches!(prefix(2), 62),
        _ => false,
    }
}

fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}
