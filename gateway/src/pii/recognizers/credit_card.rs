//! Payment cards: issuer's prefix, length and Luhn's check digit. Must never take a number that
//! the text calls something else.

use super::Recognizers;
use super::rule::{Hit, Rule, small};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const NUMBER: &str = r"[0-9](?:[ \-.]?[0-9]){11,18}";
/// Groups of four, as on the card, also when each is sent in a message of its own.
const GROUPED: &str = r"[0-9]{4}(?:[ \-]?\n?[0-9]{4}){3}";
/// Digits of the longest.
const DIGITS_MAX: usize = 19;
/// Two groups of four with their blanks, and what tells them from longer ones.
const NEIGHBOURS_BYTES: usize = 12;
/// Bytes before a number in which a word can say what it is.
const CONTEXT_BYTES: usize = 90;

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    let number = Rule::own(Kind::CreditCard, Trust::Proof, NUMBER)?.accept(is_card);
    all.push(Box::new(number.within(may_begin, is_card_beside_digits)));
    all.push(Box::new(Rule::own(Kind::CreditCard, Trust::Proof, GROUPED)?.accept(is_card)));
    Ok(())
}

fn is_card(hit: &Hit) -> bool {
    let digits = hit.digits();
    let stands_alone = hit.stands_alone() || is_before_slash(hit) && has_issuer(&digits);
    if !stands_alone || hit.before() == Some('+') || !passes_luhn(&digits) {
        return false;
    }
    let before = small(hit.text_before(CONTEXT_BYTES));
    if is_called_card(&before) {
        return true;
    }
    let line = before.rsplit('\n').next().unwrap_or_default();
    has_issuer(&digits) && !is_called_otherwise(line, hit.text_after(30))
}

/// Whether a slash comes next that is no path's: `4111111111111111/12/27`.
fn is_before_slash(hit: &Hit) -> bool {
    let joins = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let mut after = hit.text_after(2).chars();
    after.next() == Some('/')
        && !after.next().is_some_and(|c| c.is_ascii_alphabetic())
        && !hit.before().is_some_and(joins)
}

/// Whether a card may begin with this word, where it stands among other digits.
fn may_begin(word: &str) -> bool {
    let mut all = [0; DIGITS_MAX];
    let mut count = 0;
    let digits = word.bytes().filter(u8::is_ascii_digit);
    for (slot, digit) in all.iter_mut().zip(digits) {
        *slot = digit - b'0';
        count += 1;
    }
    let begins = |length: usize| all.get(..length).is_some_and(has_issuer);
    match count {
        4 => [14, 15, 16, 17].into_iter().any(begins),
        _ => begins(count),
    }
}

/// Beside other digits a card is one word, or grouped as on the card. Of the numbers of a list with
/// four digits each, one in ten groups passes the check: without a word that calls it so, a card
/// has hardly more than one of them beside it.
fn is_card_beside_digits(hit: &Hit) -> bool {
    let value = hit.value();
    let groups = value.split(|c: char| !c.is_ascii_digit()).map(str::len);
    let is_listed = match groups.collect::<Vec<_>>().as_slice() {
        [_] => is_among_others(hit),
        [4, 6, 4 | 5] => false,
        [4, 4, 4, 4] | [4, 4, 4, 4, 3] => !value.contains('-') && neighbours(hit) > 1,
        _ => return false,
    };
    has_issuer(&hit.digits())
        && (!is_listed || is_called_card(&small(hit.text_before(CONTEXT_BYTES))))
        && is_card(hit)
}

/// Whether a number as long as it, right beside it, is no card: then it is one of a list as well.
fn is_among_others(hit: &Hit) -> bool {
    let before = hit.text_before(DIGITS_MAX + 1).strip_suffix(' ').unwrap_or_default();
    let after = hit.text_after(DIGITS_MAX + 1).strip_prefix(' ').unwrap_or_default();
    [before.rsplit(' ').next(), after.split(' ').next()].into_iter().flatten().any(|word| {
        let digits = word.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0');
        let digits: Vec<u8> = digits.collect();
        let is_alike = word.len() == hit.value().len() && digits.len() == word.len();
        is_alike && !(has_issuer(&digits) && passes_luhn(&digits))
    })
}

/// How many groups of four digits are right beside it: two on each side are looked at.
fn neighbours(hit: &Hit) -> usize {
    let is_group = |word: &&str| word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    let before = hit.text_before(NEIGHBOURS_BYTES).strip_suffix(' ').unwrap_or_default();
    let after = hit.text_after(NEIGHBOURS_BYTES).strip_prefix(' ').unwrap_or_default();
    let before = before.rsplit(' ').take_while(is_group).count();
    before + after.split(' ').take_while(is_group).count()
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

#[cfg(test)]
mod tests {
    use super::super::tests::{counting, finding};
    use super::add;

    #[test]
    fn a_card_is_found_beside_other_digits() {
        let found = finding(add);
        let cards = [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "378282246310005",
            "3782 822463 10005",
            "30569309025904",
        ];
        for card in cards {
            for other in ["7", "123", "1990", "10023", "2024-01-15", "12/27", "1234567"] {
                for text in [format!("{other} {card}"), format!("{card} {other}")] {
                    let all = found(&text);
                    assert!(all.iter().any(|value| value.contains(card)), "{text}: {all:?}");
                }
            }
        }
        for (text, count) in [
            ("4111111111111111/12/27", 1),
            ("4111-1111-1111-1111/0927", 1),
            ("5555555555554444 4111111111111111", 2),
            ("カード 2024 2025 4111 1111 1111 1111", 1),
        ] {
            assert_eq!(found(text).len(), count, "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn numbers_of_a_list_are_no_cards() {
        let count = counting(add);
        for text in [
            "2024 2025 4111 1111 1111 1111",
            "4341410794708009 9463293806476780",
            "2574071753855123 4877846514144953",
            "1 41 11 11 11 11 11 11 11 11",
            "7 4111111111111112 8",
            "/4111111111111111/12",
            "4111111111111111/item",
        ] {
            assert_eq!(count(text), 0, "{text}");
        }
    }
}
