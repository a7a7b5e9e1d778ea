//! Phone numbers, Japanese and international. Must never take an order number, a toll-free line
//! or a run of digits that nothing calls a phone number.

use super::Recognizers;
use super::rule::{Hit, Rule, small};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const NUMBER: &str =
    r"(?:\+ ?|\( ?)?[0-9](?:(?: [\-/] |[ \-().]{0,3})[0-9]){6,14}(?: ?(?:x|ext\.? ?)[0-9]{1,5})?";
const LABELLED: &str = concat!(
    r"(?i)(?:電話|携帯|\btel\b|\bphone\b|\bmobile\b|\bcell\b|\bfax\b|ファックス|\bdesk\b|\b",
    r"call\b)[^0-9+(\n]{0,16}(?:\n[^0-9+(\n]{0,4})?",
    r"([+(]{0,2}[0-9](?:(?: [\-/] |[ \-().]{0,2})[0-9]){6,14})"
);
/// Sent in pieces, one for each line.
const SPLIT: &str = concat!(
    r"(?m)^[^0-9\n]{0,12}(0[0-9]{1,4}(?:-[0-9]{1,4})?-?\n",
    r"(?:[0-9]{2,4}-?\n)?[0-9]{4})[^0-9\n]{0,12}$",
);
/// Any national spelling, where the words around it speak of a call.
const GROUPED: &str = r"\(?[0-9]{2,5}\)?(?:[ \-./]{1,2}\(?[0-9]{2,5}\)?){1,4}(?:x[0-9]{1,5})?";
/// The label touches the number: `TEL0742-26-1188`.
const TOUCHED: &str =
    r"(?i)\b(?:tel|fax|mobile|cell|phone)([+(]{0,2}[0-9](?:[ \-().]{0,2}[0-9]){8,14})";
/// In kanji, digit by digit.
const KANJI: &str = concat!(
    r"[〇零](?:[一二三四五六七八九][〇零一二三四五六七八九]{0,3}[\-ー()の]{1,2}",
    r"[〇零一二三四五六七八九]{1,4}[\-ー()の]{1,2}[〇零一二三四五六七八九]{4}",
    r"|[五六七八九][〇零][〇零一二三四五六七八九]{8})"
);
/// With a label of another language.
const ABROAD: &str = concat!(
    r"(?:(?i:\btel(?:efono|efon(?:nummer)?|efoon)?\b|\bhandy(?:nummer)?\b|\bmovil\b|",
    r"\bcelular\b|\bcell(?:ulare)?\b|\bmobil(?:nummer|telefon)?\b|\blandline\b)|",
    r"[Tt]él(?:éphone|éfono)?|[Tt]eléfono|[Mm]óvil|[Тт]елефон|[Тт]ел[.:]|điện thoại|เบอร์|โทร|연락처|",
    r"전화(?:번호)?|휴대폰|手机号?码?|手機|电话|هاتف|جوال)",
    r"[^0-9+(\n]{0,16}([+(]{0,2}[0-9](?:[ \-().]{0,2}[0-9]){6,13})"
);
const CONTEXT_BYTES: usize = 48;

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    let rule = |pattern| Ok(Rule::own(Kind::Phone, Trust::Pattern, pattern)?.unbracketed());
    let number = rule(NUMBER)?.accept(is_phone);
    all.push(Box::new(number.within(may_begin, is_phone_beside_digits)));
    all.push(Box::new(rule(LABELLED)?.accept(|hit| {
        hit.stands_alone() && !is_toll_free(&hit.digits()) && !hit.is_called_otherwise()
    })));
    all.push(Box::new(
        rule(SPLIT)?
            .accept(|hit| matches!(hit.digits().len(), 10 | 11) && !is_toll_free(&hit.digits())),
    ));
    all.push(Box::new(rule(GROUPED)?.accept(is_spoken_of)));
    all.push(Box::new(rule(TOUCHED)?.accept(|hit| {
        let goes_on = hit.after().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        !goes_on && !is_toll_free(&hit.digits())
    })));
    all.push(Box::new(rule(ABROAD)?.accept(|hit| {
        is_apart(hit) && !is_toll_free(&hit.digits()) && !hit.is_called_otherwise()
    })));
    all.push(Box::new(rule(KANJI)?.accept(is_in_kanji)));
    Ok(())
}

fn is_spoken_of(hit: &Hit) -> bool {
    const BEFORE: [&str; 15] = [
        "phone",
        "tel",
        "mobile",
        "fax",
        "desk",
        "cell",
        "call ",
        "call me",
        "answering at",
        "messages to",
        "reach me",
        "電話",
        "携帯",
        "text me",
        "landline",
    ];
    const AFTER: [&str; 6] = ["-office", "-fax", "-mobile", " office", " fax", " mobile"];
    let digits = hit.digits();
    let touched = hit.before().is_some_and(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if touched || !(7..=13).contains(&digits.len()) || is_toll_free(&digits) {
        return false;
    }
    let before = small(hit.text_before(CONTEXT_BYTES));
    let after = small(hit.text_after(8));
    let dotted = hit.value().contains('.');
    if dotted && groups(hit.value()).iter().any(|length| *length > 4) {
        return false;
    }
    let tail = before.rsplit(|c: char| c.is_ascii_digit()).next().unwrap_or_default();
    let near = tail.matches('\n').count() < 2;
    let spoken = near && BEFORE.iter().any(|word| tail.contains(word));
    (spoken || AFTER.iter().any(|word| after.starts_with(word))) && !hit.is_called_otherwise()
}

fn is_in_kanji(hit: &Hit) -> bool {
    let digit = |c: char| "〇一二三四五六七八九".chars().position(|kanji| kanji == c);
    let zero = |c: char| (c == '零').then_some(0);
    let digits = hit.value().chars().filter_map(|c| digit(c).or(zero(c)));
    let digits: Vec<u8> = digits.map(|digit| digit as u8).collect();
    let goes_on = |c: Option<char>| c.is_some_and(|c| digit(c).or(zero(c)).is_some());
    let whole = !goes_on(hit.before()) && !goes_on(hit.after());
    whole && matches!(digits.len(), 10 | 11) && !is_toll_free(&digits)
}

fn is_phone(hit: &Hit) -> bool {
    let value = hit.value().split(['x', 'e']).next().unwrap_or_default();
    let digits: Vec<u8> =
        value.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect();
    if !is_apart(hit) || is_toll_free(&digits) {
        return false;
    }
    let separated = value.bytes().any(|byte| !byte.is_ascii_digit());
    let fits = match value.starts_with('+') {
        true => (8..=15).contains(&digits.len()),
        false => {
            is_japanese(&digits, value, separated, hit)
                || is_american(&digits, value, separated, hit)
                || is_from_abroad(&digits, value)
        }
    };
    fits && !hit.is_called_otherwise()
}

/// Whether a phone may begin with this word, where it stands among other digits. It begins with a
/// zero or a bracket, or is all of it.
fn may_begin(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    match word.as_bytes() {
        [b'(' | b'+', ..] => true,
        [b'0', ..] if digits == word.len() => digits == 3 || digits >= 10,
        _ => digits < word.len() && digits >= 8,
    }
}

/// Beside other digits numbers with blanks between could be any of a list: `120 415 555 2671 30`.
/// A phone is one word there, with signs of its own or a zero before it, or a mobile's.
fn is_phone_beside_digits(hit: &Hit) -> bool {
    let value = hit.value();
    let is_marked = value.starts_with(['(', '+']);
    let word = match value.split_once(' ') {
        Some((_, rest)) if is_marked => rest,
        _ => value,
    };
    // Three groups with points could be a version.
    let has_signs = is_marked || word.starts_with('0') || word.contains('-');
    let is_mobile = matches!(hit.digits().as_slice(), [0, 5..=9, 0, rest @ ..] if rest.len() == 8);
    let is_word = has_signs && !word.contains(' ');
    (is_word || is_mobile || value.starts_with('+')) && is_phone(hit)
}

/// A word may follow after a hyphen (`-Fax`), a digit may not.
fn is_apart(hit: &Hit) -> bool {
    let before = match hit.before() {
        Some('/') => !is_behind_slash(hit),
        Some(c) => c.is_ascii_alphanumeric() || "_-.+".contains(c),
        None => false,
    };
    let has_signs = || hit.value().contains('-');
    let mut after = hit.text_after(2).chars();
    let after = match after.next() {
        Some('/') => after.next().is_some_and(|c| c.is_ascii_digit()) && !has_signs(),
        Some('-' | '.') => after.next().is_some_and(|c| c.is_ascii_digit()),
        Some(c) => c.is_ascii_alphanumeric() || c == '_',
        None => false,
    };
    !before && !after
}

/// Whether the slash before it parts it from something of another kind, and from no path:
/// `山田太郎/090-1234-5678`, `03-3210-9876/090-1234-5678`.
fn is_behind_slash(hit: &Hit) -> bool {
    let before = hit.text_before(CONTEXT_BYTES);
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let field = word.strip_suffix('/').unwrap_or_default();
    if field.ends_with(|c: char| !c.is_ascii()) {
        return !field.contains("://");
    }
    let value = hit.value();
    let is_path = field.is_empty() || field.starts_with(['/', '.']) || field.contains("//");
    let said = field.rsplit(':').next().unwrap_or_default();
    let is_telling =
        value.starts_with(['0', '+', '(']) || !said.bytes().any(|byte| byte.is_ascii_alphabetic());
    value.contains('-') && is_telling && !is_path
}

fn is_japanese(digits: &[u8], value: &str, separated: bool, hit: &Hit) -> bool {
    let groups = groups(value);
    match digits {
        // As it is called from abroad.
        [0, 0, 8, 1, 1..=9, ..] | [0, 1, 0, 8, 1, 1..=9, ..] => {
            separated && matches!(digits.len(), 13..=15)
        }
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
    // 200 - 300 - 4000 is a range as well.
    let shaped = shaped && (!value.contains(" - ") || value.starts_with('('));
    (separated && shaped) || (!separated && is_called_phone(hit))
}

/// National spellings that hardly anything else has: Korea's 010-1234-5678, Britain's
/// 07700 900123, 020 7946 0018 and 0161 496 0018, Brazil's (11) 98765-4321.
fn is_from_abroad(digits: &[u8], value: &str) -> bool {
    let groups = groups(value);
    match (digits, groups.as_slice()) {
        ([0, 1, 0, ..], [3, 4, 4]) => value.contains('-'),
        ([0, 7, ..], [5, 6] | [5, 3, 3]) | ([0, 2, ..], [3, 4, 4]) => value.contains(' '),
        // Of four digits the area codes of large cities have a 1 more.
        ([0, 1, 1, ..] | [0, 1, _, 1, ..], [4, 3, 4]) => !value.contains('.'),
        ([0, 1, ..], [5, 6] | [5, 3, 3]) => value.contains(' ') && digits.len() == 11,
        ([1..=9, _, 9, ..], [2, 5, 4]) => value.starts_with('('),
        _ => false,
    }
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
    let before = small(hit.text_before(CONTEXT_BYTES * 2));
    let after = small(hit.text_after(CONTEXT_BYTES));
    WORDS.iter().any(|word| before.contains(word) || after.contains(word))
}

#[cfg(test)]
mod tests {
    use super::super::tests::counting;
    use super::add;

    #[test]
    fn spellings_with_blanks_and_of_britain_are_phones() {
        let count = counting(add);
        for phone in ["090 - 3117 - 2954", "03 / 6421 / 7765", "( 312 ) 555 - 0188"] {
            assert_eq!(count(phone), 1, "{phone}");
        }
        for phone in ["0151 496 0330", "(0121) 496 0330", "0141-496-0330", "01632 960417"] {
            assert_eq!(count(phone), 1, "{phone}");
        }
    }

    #[test]
    fn a_phone_is_found_beside_other_digits() {
        let found = super::super::tests::finding(add);
        let phones = [
            "090-1234-5678",
            "03-3210-9876",
            "09012345678",
            "090 1234 5678",
            "+81-90-1234-5678",
            "415-555-2671",
            "(415) 555-2671",
        ];
        let digits = ["3", "12345", "2024-01-15", "1-19-11", "〒150-0041", "5.", "1)", "2.5"];
        for phone in phones {
            for other in digits {
                let text = format!("{other} {phone}");
                let all = found(&text);
                assert!(all.iter().any(|value| value.contains(phone)), "{text}: {all:?}");
                let text = format!("{phone} {other} {phone}");
                let all = found(&text);
                let is_whole = |value: &&&str| value.contains(phone);
                assert_eq!(all.iter().filter(is_whole).count(), 2, "{text}: {all:?}");
            }
        }
        for (text, all) in [
            ("090-1234-5678 080-1111-2222", 2),
            ("03-3210-9876 03-3210-9877 03-3210-9878", 3),
            ("090-1234-5678 (03-3210-9876)", 2),
            ("090-1234-5678(03-3210-9876)", 2),
            ("1) 090-1234-5678 2) 080-1111-2222", 2),
            ("090-1234-5678 / 03-3210-9876", 2),
            ("090-1234-5678/03-3210-9876", 2),
            ("tel: 415-555-2671/415-555-2672", 2),
            ("山田太郎/090-1234-5678/東京", 1),
            ("山田太郎/09012345678/東京", 1),
        ] {
            assert_eq!(found(text).len(), all, "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn numbers_of_a_list_are_no_phones() {
        let count = counting(add);
        for text in [
            "120 415 555 2671 30",
            "12 250 300 1024 2048 33",
            "254 090 458 0969 2975",
            "2474 564 1311 780 9025 887 9003 1817 740 231 3363",
            "v7.32.9 312.793.6265 build 7335",
            "3 0120-444-555 0800-123-4567 2",
            "1 03 1234 5678 02 1234 5678",
            "7 2147483647 call 4151234567 9",
            "https://example.com/2024/415-555-2671/",
            "/files/415-555-2671/090-1234-5678",
            "注文番号 12345 090-1234-5678",
            "2.5 3.25 415.5 555.25 2671.125",
        ] {
            assert_eq!(count(text), 0, "{text}");
        }
        // Each word of a list begins one search at most: else this would take for ever.
        for piece in ["1 ", "090 ", "(1) ", "090-1234 ", "1-2 ", "03-3210-987 "] {
            assert_eq!(count(&piece.repeat(256 * 1024 / piece.len())), 0, "{piece:?}");
        }
    }

    #[test]
    fn ranges_and_dates_are_no_phones() {
        let count = counting(add);
        for text in ["200 - 300 - 4000", "01 / 02 / 2024", "2019 - 2020", "0120 - 444 - 555"] {
            assert_eq!(count(text), 0, "{text}");
        }
        assert_eq!(count("1 - 10 - 100 - 1000"), 0);
        assert_eq!(count("0.1234 0.567"), 0);
    }
}
