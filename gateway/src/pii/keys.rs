//! What a key says of the number behind it: whose it is, or that it is a count, a time or the name
//! of a thing. It must never call a number somebody's by a part of a word.

use super::retold::words;
use std::borrow::Cow;

/// Longer keys call nobody's number.
const KEY_BYTES_MAX: usize = 64;
/// Blanks between a key and its number.
const BLANKS_MAX: usize = 16;

/// How recognisers are told a number: in few words, because a text may be a list of nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) words: &'static str,
    /// With how many digits they believe it.
    least: usize,
    most: usize,
}

const PHONE: Call = Call { words: "\ntel ", least: 7, most: 15 };
const MY_NUMBER: Call = Call { words: "\n個人番号 ", least: 12, most: 12 };
const SSN: Call = Call { words: "\nSSN ", least: 9, most: 9 };
const POSTAL_CODE: Call = Call { words: "\n〒", least: 7, most: 7 };
const BANK_ACCOUNT: Call = Call { words: "\n口座 ", least: 6, most: 8 };
const PENSION: Call = Call { words: "\n年金番号 ", least: 10, most: 10 };
const LICENSE: Call = Call { words: "\n免許 ", least: 12, most: 12 };
const INSURANCE: Call = Call { words: "\n保険証 ", least: 6, most: 8 };

impl Call {
    /// What is told of a number. Without the zero that it lost it is shorter than all others of its
    /// kind; where their length is not the same, none is needed to know it.
    pub(super) fn told(self, digits: &str) -> Option<Cow<'_, str>> {
        let is_short = self.least == self.most && digits.len() + 1 == self.least;
        match digits.len() {
            length if (self.least..=self.most).contains(&length) => Some(digits.into()),
            _ => is_short.then(|| format!("0{digits}").into()),
        }
    }
}

/// Words of keys, and how recognisers are told what stands there.
pub(super) const CALLED: [(&str, Call); 41] = [
    ("phone", PHONE),
    ("phones", PHONE),
    ("telephone", PHONE),
    ("tel", PHONE),
    ("mobile", PHONE),
    ("mobiles", PHONE),
    ("cell", PHONE),
    ("cellphone", PHONE),
    ("landline", PHONE),
    ("fax", PHONE),
    ("msisdn", PHONE),
    ("whatsapp", PHONE),
    ("denwa", PHONE),
    ("keitai", PHONE),
    ("電話", PHONE),
    ("携帯", PHONE),
    ("連絡先", PHONE),
    ("mynumber", MY_NUMBER),
    ("my number", MY_NUMBER),
    ("individual number", MY_NUMBER),
    ("マイナンバー", MY_NUMBER),
    ("個人番号", MY_NUMBER),
    ("ssn", SSN),
    ("social security", SSN),
    ("zip", POSTAL_CODE),
    ("zipcode", POSTAL_CODE),
    ("postal", POSTAL_CODE),
    ("postcode", POSTAL_CODE),
    ("post code", POSTAL_CODE),
    ("yubin", POSTAL_CODE),
    ("郵便", POSTAL_CODE),
    ("bank account", BANK_ACCOUNT),
    ("account number", BANK_ACCOUNT),
    ("account no", BANK_ACCOUNT),
    ("口座番号", BANK_ACCOUNT),
    ("年金番号", PENSION),
    ("pension number", PENSION),
    ("driver license", LICENSE),
    ("drivers license", LICENSE),
    ("免許証", LICENSE),
    ("保険者番号", INSURANCE),
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

/// Which of somebody's numbers it is, where the key around it says what they are:
/// `"tel": {"home": …}`. Anything else may be counted there, as the visitors of `mobile`.
const WHICH: [&str; 22] = [
    "home",
    "work",
    "office",
    "main",
    "primary",
    "secondary",
    "first",
    "second",
    "other",
    "personal",
    "private",
    "business",
    "company",
    "daytime",
    "evening",
    "emergency",
    "value",
    "raw",
    "number",
    "no",
    "自宅",
    "勤務先",
];
/// So far before a number the object is looked for in which it stands.
const OBJECT_BYTES_MAX: usize = 256;

/// What has a number and is nobody.
const NUMBERED: [&str; 14] = [
    "order", "tracking", "invoice", "ticket", "serial", "part", "model", "lot", "build", "version",
    "sequence", "flight", "batch", "request",
];
/// The same of keys in Japanese.
const OTHER_ENDS: [&str; 6] = ["数", "料金", "額", "日時", "日付", "id"];

/// What a key says of its number.
#[derive(Clone, Copy)]
pub(super) enum Says {
    /// Whose it is.
    Called(Call),
    /// That it is nobody's, though it may speak of cards.
    Other {
        of_card: bool,
    },
    Nothing,
}

/// A key, and whether it can be nothing else: it stands between quotes.
pub(super) struct Key<'a> {
    name: &'a str,
    is_quoted: bool,
    /// Whether a bracket follows.
    pub(super) opens_list: bool,
}

/// The key of what begins at a place: `"key": `, `key=`, `key: [`.
pub(super) fn key(text: &str, start: usize) -> Option<Key<'_>> {
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

/// The key of the object in which a place is, if it begins near.
fn outer_key(text: &str, start: usize) -> Option<Key<'_>> {
    let least = start.saturating_sub(OBJECT_BYTES_MAX);
    let mut closed = 0_usize;
    for (at, byte) in (least..start).zip(text.as_bytes().get(least..start)?).rev() {
        match byte {
            b'}' => closed += 1,
            b'{' if closed == 0 => return key(text, at),
            b'{' => closed -= 1,
            _ => {}
        }
    }
    None
}

impl Key<'_> {
    /// What it says of a number at a place, with a fraction or without one, or what the key of the
    /// object says in which it is.
    pub(super) fn says_at(&self, text: &str, start: usize, is_broken: bool) -> Says {
        if !(self.is_quoted && WHICH.contains(&self.name.to_lowercase().as_str())) {
            return self.says_of(is_broken);
        }
        match outer_key(text, start).map(|outer| outer.says()) {
            Some(Says::Called(call)) => Says::Called(call),
            _ => self.says_of(is_broken),
        }
    }

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
        // The first of several may be `phone1`.
        let words: Vec<&str> = words.iter().map(|word| without_digit(word)).collect();
        let said = format!(" {} ", words.join(" "));
        let is_said = |word: &str| match word.is_ascii() {
            true => said.contains(&format!(" {word} ")),
            false => said.contains(word),
        };
        match CALLED.iter().find(|(word, _)| is_said(word)) {
            Some((_, call)) => Says::Called(*call),
            None if is_contact(&words) => Says::Called(PHONE),
            None => Says::Nothing,
        }
    }
}

/// A word without the one digit at its end: more of them are no count of somebody's numbers.
fn without_digit(word: &str) -> &str {
    let bare = word.strip_suffix(|c: char| c.is_ascii_digit()).unwrap_or(word);
    if bare.ends_with(|c: char| c.is_ascii_digit()) || bare.is_empty() { word } else { bare }
}

/// Whether words end as those of somebody to call do. Within them it is a person's, or a thing's.
fn is_contact(words: &[&str]) -> bool {
    let is_number = |word: &&str| ["number", "no", "num"].contains(word);
    let count = words.len() - usize::from(words.last().is_some_and(is_number));
    words.get(..count).and_then(<[&str]>::last).is_some_and(|last| *last == "contact")
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
    use super::{Key, PHONE, Says};

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
            "phone1",
            "tel2_home",
            "fax_1",
            "emergency_contact",
            "contact",
            "contact2",
            "contactNo",
            "contact_number",
        ] {
            assert!(matches!(says(key), Says::Called(PHONE)), "{key}");
        }
        for key in ["phone_id", "mobileSessions", "order", "電話件数", "id"] {
            assert!(matches!(says(key), Says::Other { of_card: false }), "{key}");
        }
        for key in ["card_id", "カードID", "クレジットカード決済日時"] {
            assert!(matches!(says(key), Says::Other { of_card: true }), "{key}");
        }
        for key in
            ["iphone", "", "telemetry", "cells", "a", "iphone7", "zip64", "contact_form", "1"]
        {
            assert!(matches!(says(key), Says::Nothing), "{key}");
        }
        let at = Key { name: "at", is_quoted: false, opens_list: false };
        assert!(matches!(at.says(), Says::Nothing));
    }
}
