//! Phone numbers, Japanese and international. Must never take an order number, a toll-free line
//! or a run of digits that nothing calls a phone number.

use super::Recognizers;
use super::rule::{Hit, Rule};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const NUMBER: &str = r"(?:\+ ?|\()?[0-9](?:[ \-().\n/]{0,2}[0-9]){6,14}";
const LABELLED: &str = concat!(
    r"(?i)(?:電話|携帯|\btel\b|\bphone\b|\bmobile\b|\bcell\b|\bfax\b|ファックス|\bdesk\b|\b",
    r"call\b)[^0-9+(\n]{0,16}(?:\n[^0-9+(\n]{0,4})?([+(]{0,2}[0-9](?:[ \-().]{0,2}",
    r"[0-9]){6,14})"
);
const CONTEXT_BYTES: usize = 48;

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    all.push(Box::new(Rule::new(Kind::Phone, Trust::Pattern, NUMBER)?.accept(is_phone)));
    all.push(Box::new(Rule::new(Kind::Phone, Trust::Pattern, LABELLED)?.accept(|hit| {
        hit.stands_alone() && !is_toll_free(&hit.digits()) && !is_called_otherwise(hit)
    })));
    Ok(())
}

fn is_phone(hit: &Hit) -> bool {
    let digits = hit.digits();
    let value = hit.value();
    if !hit.stands_alone() || is_toll_free(&digits) || is_called_otherwise(hit) {
        return false;
    }
    let separated = value.bytes().any(|byte| !byte.is_ascii_digit());
    if value.starts_with('+') {
        return (8..=15).contains(&digits.len());
    }
    is_japanese(&digits, value, separated, hit) || is_american(&digits, value, separated, hit)
}

fn is_japanese(digits: &[u8], value: &str, separated: bool, hit: &Hit) -> bool {
    let groups = groups(value);
    match digits {
        [0, 5..=9, 0, ..] if digits.len() == 11 => {
            !separated || matches!(groups.as_slice(), [3, 4, 4] | [11] | [3, 8] | [7, 4])
        }
        [0, 1..=9, ..] if digits.len() == 10 => {
            let shaped = matches!(
                groups.as_slice(),
                [2, 4, 4] | [3, 3, 4] | [4, 2, 4] | [5, 1, 4] | [6, 4] | [4, 6] | [2, 8]
            );
            (separated && shaped) || (!separated && is_called_phone(hit))
        }
        _ => false,
    }
}

fn is_american(digits: &[u8], value: &str, separated: bool, hit: &Hit) -> bool {
    let local = match digits {
        [1, local @ ..] if local.len() == 10 => local,
        _ => digits,
    };
    let [area, _, _, exchange, ..] = local else { return false };
    if local.len() != 10 || *area < 2 || *exchange < 2 {
        return false;
    }
    let shaped = matches!(groups(value).as_slice(), [3, 3, 4] | [1, 3, 3, 4] | [6, 4] | [3, 7]);
    (separated && shaped) || (!separated && is_called_phone(hit))
}

fn groups(value: &str) -> Vec<usize> {
    value.split(|c: char| !c.is_ascii_digit()).map(str::len).filter(|length| *length > 0).collect()
}

fn is_toll_free(digits: &[u8]) -> bool {
    let digits = digits.strip_prefix(&[1]).filter(|rest| rest.len() == 10).unwrap_or(digits);
    matches!(digits, [0, 1, 2, 0, ..] | [0, 8, 0, 0, ..] | [0, 5, 7, 0, ..] | [0, 9, 9, 0, ..])
        && digits.len() <= 11
        || (digits.len() == 10
            && matches!(digits, [8, a, b, ..] if a == b && matches!(a, 0 | 2..=9)))
}

fn is_called_phone(hit: &Hit) -> bool {
    const WORDS: [&str; 12] = [
        "電話", "携帯", "tel", "phone", "連絡", "自宅", "fax", "mobile", "call", "着信", "cell",
        "text me",
    ];
    let before = hit.text_before(CONTEXT_BYTES * 2).to_lowercase();
    let after = hit.text_after(CONTEXT_BYTES).to_lowercase();
    WORDS.iter().any(|word| before.contains(word) || after.contains(word))
}

fn is_called_otherwise(hit: &Hit) -> bool {
    const WORDS: [&str; 18] = [
        "注文番号",
        "追跡番号",
        "お問い合わせ番号",
        "荷物番号",
        "請求書番号",
        "isbn",
        "jan",
        "order ",
        "tracking",
        "ticket",
        "型番",
        "法人番号",
        "登録番号",
        "座標",
        "coordinates",
        "epoch",
        "円周率",
        "part number",
    ];
    let before = hit.text_before(24).to_lowercase();
    let line = before.rsplit('\n').next().unwrap_or_default();
    WORDS.iter().any(|word| line.contains(word))
}
