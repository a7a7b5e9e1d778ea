//! Japan's individual number (My Number): twelve digits, the last a check digit. Must never take
//! a plain run of twelve digits that nothing calls a My Number.

use super::Recognizers;
use super::rule::{Hit, Rule, small};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const NUMBER: &str = r"[0-9]{4}[ \-\n]?[0-9]{4}[ \-\n]?[0-9]{4}";
const LABELLED: &str = concat!(
    r"(?i)(?:マイナンバー|個人番号|my ?number|individual number)[^0-9]{0,60}?([0-9]{4}[ \-\n",
    r"]?[0-9]{4}[ \-\n]?[0-9]{4})"
);

/// The label may be the head of a column, or a column's name in a statement.
const PLAIN: &str = r"[0-9]{12}";
const HEAD_BYTES: usize = 240;
/// Around a number others of its kind are looked for so far.
const NEIGHBOURS_BYTES: usize = 60;

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    all.push(Box::new(Rule::own(Kind::MyNumber, Trust::Context, LABELLED)?.accept(is_free)));
    all.push(Box::new(Rule::own(Kind::MyNumber, Trust::Pattern, NUMBER)?.accept(is_grouped)));
    all.push(Box::new(Rule::own(Kind::MyNumber, Trust::Context, PLAIN)?.accept(is_in_column)));
    Ok(())
}

fn is_in_column(hit: &Hit) -> bool {
    const HEADS: [&str; 5] =
        ["マイナンバー", "個人番号", "my_number", "mynumber", "individual_number"];
    let before = || small(hit.text_before(HEAD_BYTES));
    hit.stands_alone()
        && passes_check(&hit.digits())
        && HEADS.iter().any(|head| before().contains(head))
}

fn is_free(hit: &Hit) -> bool {
    hit.stands_alone()
}

/// Without a label the usual spelling in groups of four is asked for, and the check digit.
fn is_grouped(hit: &Hit) -> bool {
    let grouped = hit.value().bytes().filter(|byte| *byte == b' ' || *byte == b'-').count() == 2;
    grouped
        && hit.stands_alone()
        && !hit.is_called_otherwise()
        && passes_check(&hit.digits())
        && !is_among_others(hit)
}

/// One in eleven numbers of this form passes the check: beside one that fails it is a number of
/// the same other kind.
fn is_among_others(hit: &Hit) -> bool {
    let before = hit.text_before(NEIGHBOURS_BYTES).rsplit('\n').next().unwrap_or_default();
    let after = hit.text_after(NEIGHBOURS_BYTES).split('\n').next().unwrap_or_default();
    let words = |text: &'_ str| text.split([' ', ',', ';', '、', '(', ')', 'と']).any(fails_check);
    words(before) || words(after)
}

/// dddd-dddd-dddd, and no My Number.
fn fails_check(word: &str) -> bool {
    let shape = |(at, byte): (usize, u8)| match at {
        4 | 9 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    let digits = word.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0');
    word.len() == 14
        && word.bytes().enumerate().all(shape)
        && !passes_check(&digits.collect::<Vec<_>>())
}

fn passes_check(digits: &[u8]) -> bool {
    let Some((check, body)) = digits.split_last() else { return false };
    let sum: u32 = body
        .iter()
        .rev()
        .zip([2, 3, 4, 5, 6, 7, 2, 3, 4, 5, 6])
        .map(|(digit, weight)| u32::from(*digit) * weight)
        .sum();
    let expected = match sum % 11 {
        0 | 1 => 0,
        remainder => 11 - remainder,
    };
    digits.len() == 12 && u32::from(*check) == expected
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_number_among_others_of_its_form_is_of_their_kind() {
        assert!(super::fails_check("1234-5678-9017"));
        assert!(!super::fails_check("1234-5678-9018"));
        assert!(!super::fails_check("12345678-9017"));
    }

    #[test]
    fn the_check_digit_is_checked() {
        assert!(super::passes_check(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 8]));
        assert!(!super::passes_check(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 7]));
    }
}
