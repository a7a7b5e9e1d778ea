//! Numbers beside a key that calls them somebody's, as records have them: `"tel_home": 312345678`.
//! Told again in words that recognisers know, with the zero that a number loses at its beginning.
//! It must never tell a number whose key says that it is a count, a time or the name of a thing.

use super::finding::Span;
use super::kind::Kind;
use super::recognizers::has_issuer;
use super::retold::{How, Retold, words};

/// Digits of the numbers that are looked at, without the lost zero.
const DIGITS_MIN: usize = 6;
const DIGITS_MAX: usize = 19;
/// Of a number with a fraction all digits count: a part of it has at least so many of them.
const BROKEN_DIGITS_MIN: usize = 7;
const PART_DIGITS_MIN: usize = BROKEN_DIGITS_MIN.div_ceil(2);
/// Longer keys call nobody's number.
const KEY_BYTES_MAX: usize = 64;
/// Blanks between a key and its number.
const BLANKS_MAX: usize = 16;

/// Words of keys, and what the recognisers call it.
const CALLED: [(&str, &str); 41] = [
    ("phone", "phone number"),
    ("phones", "phone number"),
    ("telephone", "phone number"),
    ("tel", "phone number"),
    ("mobile", "phone number"),
    ("mobiles", "phone number"),
    ("cell", "phone number"),
    ("cellphone", "phone number"),
    ("landline", "phone number"),
    ("fax", "phone number"),
    ("msisdn", "phone number"),
    ("whatsapp", "phone number"),
    ("denwa", "phone number"),
    ("keitai", "phone number"),
    ("電話", "電話番号"),
    ("携帯", "電話番号"),
    ("連絡先", "電話番号"),
    ("mynumber", "マイナンバー"),
    ("my number", "マイナンバー"),
    ("individual number", "マイナンバー"),
    ("マイナンバー", "マイナンバー"),
    ("個人番号", "マイナンバー"),
    ("ssn", "SSN"),
    ("social security", "SSN"),
    ("zip", "郵便番号"),
    ("zipcode", "郵便番号"),
    ("postal", "郵便番号"),
    ("postcode", "郵便番号"),
    ("post code", "郵便番号"),
    ("yubin", "郵便番号"),
    ("郵便", "郵便番号"),
    ("bank account", "口座番号"),
    ("account number", "口座番号"),
    ("account no", "口座番号"),
    ("口座番号", "口座番号"),
    ("年金番号", "基礎年金番号"),
    ("pension number", "基礎年金番号"),
    ("driver license", "運転免許証番号"),
    ("drivers license", "運転免許証番号"),
    ("免許証", "運転免許証番号"),
    ("保険者番号", "被保険者番号"),
];

/// What a number counts or names, when its key ends so.
const OTHERS: [&str; 77] = [
    "id",
    "ids",
    "uid",
    "uuid",
    "key",
    "ref",
    "index",
    "idx",
    "rank",
    "order",
    "version",
    "model",
    "type",
    "kind",
    "category",
    "status",
    "flag",
    "count",
    "counts",
    "total",
    "sum",
    "size",
    "length",
    "width",
    "height",
    "price",
    "prices",
    "amount",
    "cost",
    "fee",
    "balance",
    "sales",
    "revenue",
    "budget",
    "bytes",
    "ms",
    "sec",
    "seconds",
    "minutes",
    "time",
    "timestamp",
    "ts",
    "at",
    "on",
    "date",
    "epoch",
    "year",
    "month",
    "users",
    "sessions",
    "views",
    "clicks",
    "visits",
    "impressions",
    "score",
    "rate",
    "limit",
    "hash",
    "checksum",
    "sku",
    "jan",
    "ean",
    "upc",
    "isbn",
    "asin",
    "seed",
    "offset",
    "lat",
    "lng",
    "lon",
    "latitude",
    "longitude",
    "pid",
    "port",
    "build",
    "rows",
    "population",
];

/// Under a key with one of these a card's number is believed whatever the key ends with.
const OF_CARDS: [&str; 6] = ["card", "cards", "creditcard", "payment", "pan", "cc"];
/// The same within a word of a key in Japanese.
const IN_WORDS_OF_CARDS: [&str; 2] = ["カード", "クレジット"];

/// What has a number and is nobody.
const NUMBERED: [&str; 14] = [
    "order", "tracking", "invoice", "ticket", "serial", "part", "model", "lot", "build", "version",
    "sequence", "flight", "batch", "request",
];
/// The same of keys in Japanese.
const OTHER_ENDS: [&str; 6] = ["数", "料金", "額", "日時", "日付", "id"];

/// The numbers of a text whose keys say what they are.
#[derive(Default)]
pub(super) struct KeyedNumbers {
    retold: Retold,
    others: Vec<Other>,
}

/// Where a number stands whose key says that it is nobody's.
struct Other {
    start: usize,
    end: usize,
    /// Whether the key speaks of cards.
    of_card: bool,
}

impl KeyedNumbers {
    /// Whether a key says that what was found is a count, a time or the name of a thing. Many name
    /// their users by telephone number, and a card may be noted anywhere: no key is believed of
    /// what begins like a Japanese number, has signs in it, or is a card that an issuer would give.
    pub(super) fn is_other(&self, text: &str, span: &Span) -> bool {
        let at = self.others.partition_point(|other| other.start < span.start);
        let other = self.others.get(at).filter(|other| other.start == span.start);
        let Some(other) = other.filter(|other| span.end <= other.end) else { return false };
        let value = text.get(span.start..span.end).unwrap_or_default();
        let digits: Vec<u8> =
            value.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect();
        match span.kind {
            Kind::Phone => digits.first() != Some(&0),
            Kind::CreditCard => !other.of_card && !has_issuer(&digits),
            _ => false,
        }
    }

    /// Those that are somebody's.
    pub(super) fn into_retold(self) -> Retold {
        self.retold
    }
}

/// What a key says of its number.
#[derive(Clone, Copy)]
enum Says {
    /// Whose it is, as recognisers call it.
    Called(&'static str),
    /// That it is nobody's, though it may speak of cards.
    Other {
        of_card: bool,
    },
    Nothing,
}

/// Tells such numbers; nothing if there are none.
pub(super) fn retell(text: &str) -> Option<KeyedNumbers> {
    let bytes = text.as_bytes();
    let mut numbers: Option<KeyedNumbers> = None;
    let mut at = 0;
    let mut last: Option<Last> = None;
    while let Some(Number { start, end, is_broken }) = next(bytes, at) {
        at = end;
        let listed = last.filter(|last| is_list(text.get(last.end..start)));
        let (says, is_open) = match listed {
            // Numbers one after the other are a list under one key.
            Some(Last { says, is_open, .. }) => match says {
                // The columns of a line are not: what follows an id there may be anything.
                Says::Other { .. } if !is_open => (Says::Nothing, false),
                says => (says, is_open),
            },
            None => key(text, start).map_or((Says::Nothing, false), |key| {
                let says = key.says_of(is_broken);
                (says, key.opens_list)
            }),
        };
        last = Some(Last { end, says, is_open });
        match says {
            Says::Nothing => {}
            Says::Other { of_card } => {
                numbers.get_or_insert_default().others.push(Other { start, end, of_card });
            }
            Says::Called(_) if is_broken => {}
            Says::Called(called) => {
                let retold = &mut numbers.get_or_insert_default().retold;
                let digits = text.get(start..end).unwrap_or_default();
                for digits in [digits, &format!("0{digits}")] {
                    retold.add(&format!("\n{called}: "));
                    retold.tell(start, end - start, digits, How::Otherwise);
                    retold.add("\n");
                }
            }
        }
    }
    numbers
}

/// The number before.
#[derive(Clone, Copy)]
struct Last {
    end: usize,
    says: Says,
    /// Whether it stands within a bracket that its key opened.
    is_open: bool,
}

/// Where a number stands.
struct Number {
    start: usize,
    end: usize,
    /// With a fraction.
    is_broken: bool,
}

/// The next number with so many digits in a row.
fn next(bytes: &[u8], from: usize) -> Option<Number> {
    let mut at = from;
    loop {
        // Every number that is long enough has a digit at one of each so many places.
        while !bytes.get(at)?.is_ascii_digit() {
            at += PART_DIGITS_MIN;
        }
        let is_digit = |byte: &&u8| byte.is_ascii_digit();
        let before = |at: usize| {
            let before = bytes.get(from..at).unwrap_or_default();
            at - before.iter().rev().take_while(is_digit).count()
        };
        let after = |at: usize| {
            at + bytes.get(at..).unwrap_or_default().iter().take_while(is_digit).count()
        };
        let (mut start, mut end) = (before(at), after(at));
        let byte = |at: Option<usize>| at.and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
        let begins_at = if byte(start.checked_sub(1)) == b'.' { before(start - 1) } else { start };
        let ends_at = if byte(Some(end)) == b'.' { after(end + 1) } else { end };
        let is_broken = begins_at + 1 < start || ends_at > end + 1;
        let mut digits = end - start;
        if is_broken {
            (start, end) = (begins_at, ends_at);
            digits = end - start - 1;
        }
        let least = if is_broken { BROKEN_DIGITS_MIN } else { DIGITS_MIN };
        let is_joined = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+".contains(&byte);
        let lead = byte(start.checked_sub(1));
        let goes_on =
            (is_joined(lead) && !(is_broken && lead == b'-')) || is_joined(byte(Some(end)));
        if (least..=DIGITS_MAX).contains(&digits) && !goes_on && lead != b'.' {
            return Some(Number { start, end, is_broken });
        }
        at = end.max(at + 1);
    }
}

fn is_list(between: Option<&str>) -> bool {
    between.is_some_and(|between| {
        between.len() <= BLANKS_MAX
            && between.contains(',')
            && between.chars().all(|c| c == ',' || c.is_ascii_whitespace())
    })
}

/// A key, and whether it can be nothing else: it stands between quotes.
struct Key<'a> {
    name: &'a str,
    is_quoted: bool,
    /// Whether a bracket follows.
    opens_list: bool,
}

/// The key of what begins at a place: `"key": `, `key=`, `key: [`.
fn key(text: &str, start: usize) -> Option<Key<'_>> {
    let mut least = start.saturating_sub(KEY_BYTES_MAX + BLANKS_MAX);
    while !text.is_char_boundary(least) {
        least += 1;
    }
    let before = text.get(least..start)?.trim_end();
    let inner = before.strip_suffix('[');
    let opens_list = inner.is_some();
    let before = inner.map_or(before, str::trim_end);
    let before = before.strip_suffix([':', '='])?.trim_end();
    for quote in ['"', '\''] {
        if let Some(quoted) = before.strip_suffix(quote) {
            let name = quoted.trim_end_matches('\\').rsplit(quote).next()?;
            return Some(Key { name, is_quoted: true, opens_list });
        }
    }
    let name = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').next()?;
    Some(Key { name, is_quoted: false, opens_list })
}

impl Key<'_> {
    /// What it says of a number, with a fraction or without one.
    fn says_of(&self, is_broken: bool) -> Says {
        match self.says() {
            Says::Nothing if is_broken && self.is_quoted => Says::Other { of_card: false },
            says => says,
        }
    }

    fn says(&self) -> Says {
        let mut words = words(self.name);
        match words.last() {
            None => return Says::Nothing,
            // `I am at: …` is no key.
            Some(_) if are_others(&words) => {
                let is_key = self.is_quoted || words.len() > 1;
                let of_card = words.iter().any(|word| is_of_cards(word));
                return if is_key { Says::Other { of_card } } else { Says::Nothing };
            }
            Some(_) => {}
        }
        let is_numbered =
            words.last().is_some_and(|last| ["number", "no", "num"].contains(&last.as_str()));
        if let Some(last) = words.last_mut().filter(|_| !is_numbered) {
            let bare = last.strip_suffix("number").filter(|bare| bare.len() > 2);
            *last = bare.map_or_else(|| last.clone(), ToOwned::to_owned);
        }
        let said = format!(" {} ", words.join(" "));
        let is_said = |word: &str| match word.is_ascii() {
            true => said.contains(&format!(" {word} ")),
            false => said.contains(word),
        };
        let called = CALLED.iter().find(|(word, _)| is_said(word));
        called.map_or(Says::Nothing, |(_, called)| Says::Called(called))
    }
}

fn is_of_cards(word: &str) -> bool {
    OF_CARDS.contains(&word) || IN_WORDS_OF_CARDS.iter().any(|part| word.contains(part))
}

/// Whether words end as those of a count, a time or the name of a thing do.
fn are_others(words: &[String]) -> bool {
    let Some((last, before)) = words.split_last() else { return false };
    let before = before.last().map(String::as_str).unwrap_or_default();
    match last.as_str() {
        "code" => !["zip", "postal", "post"].contains(&before),
        "number" | "no" | "num" => NUMBERED.contains(&before),
        last if last.is_ascii() => OTHERS.contains(&last),
        last => OTHER_ENDS.iter().any(|end| last.ends_with(end)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Says, retell};

    #[test]
    fn keys_say_whose_a_number_is() {
        let says = |name| Key { name, is_quoted: true, opens_list: false }.says();
        for key in [
            "tel_home",
            "phoneNumber",
            "PHONE",
            "customer-phone",
            "phonenumber",
            "携帯電話",
            "mobileNo",
        ] {
            assert!(matches!(says(key), Says::Called("phone number" | "電話番号")), "{key}");
        }
        for key in ["phone_id", "mobileSessions", "order", "電話件数", "id"] {
            assert!(matches!(says(key), Says::Other { of_card: false }), "{key}");
        }
        for key in ["card_id", "カードID", "クレジットカード決済日時"] {
            assert!(matches!(says(key), Says::Other { of_card: true }), "{key}");
        }
        for key in ["iphone", "", "telemetry", "cells", "a"] {
            assert!(matches!(says(key), Says::Nothing), "{key}");
        }
        let at = Key { name: "at", is_quoted: false, opens_list: false };
        assert!(matches!(at.says(), Says::Nothing));
    }

    #[test]
    fn a_number_is_told_with_the_zero_that_it_lost() {
        let told = |text: &str| {
            retell(text).map(|told| told.retold.text().to_owned()).filter(|told| !told.is_empty())
        };
        let once = "\nphone number: 312345678\n\nphone number: 0312345678\n";
        assert_eq!(told("{\"tel_home\": 312345678}").unwrap(), once);
        assert_eq!(told("tel_home=312345678&x=1").unwrap(), once);
        assert_eq!(told("{'phones': [312345678, 312345678]}").unwrap(), once.repeat(2));
        for other in
            ["tel 312345678", "{\"id\": 312345678}", "{\"tel\": 312345678.5}", "tel: a312345678"]
        {
            assert_eq!(told(other), None, "{other}");
        }
    }
}
