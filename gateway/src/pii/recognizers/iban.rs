//! International bank account numbers: country, length and the check by 97. Must never take a
//! serial number of the same look whose check fails.

use super::rule::{Hit, Pattern};
use super::{Digits, Need, Recognizers};
use crate::pii::finding::{Finding, Trust};
use crate::pii::kind::Kind;

/// Letters of one case: the words after it are no part of it, and another number may follow.
const NUMBER: &str =
    r"[A-Z]{2}[0-9]{2}(?:[ \-]?[A-Z0-9]){11,30}|[a-z]{2}[0-9]{2}(?:[ \-]?[a-z0-9]){11,30}";
const SHORTEST: usize = 15;

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    all.push(Box::new(Iban { pattern: Pattern::new(NUMBER)?, is_called: false }));
    all.push(Box::new(Iban { pattern: Pattern::own(LABELLED)?, is_called: true }));
    Ok(())
}

/// Called an IBAN: it is one, even when a digit was mistyped.
const LABELLED: &str = concat!(
    r"(?i)\biban\b[^A-Za-z0-9\n]{0,4}(?:(?:is|no|number|code)[^A-Za-z0-9\n]{1,4})?",
    r"([A-Z]{2}[0-9]{2}(?:[ \-]?[A-Z0-9]{2,4}){3,8})\b"
);

struct Iban {
    pattern: Pattern,
    /// Whether something calls it so: then the check doesn't decide.
    is_called: bool,
}

impl super::Recognizer for Iban {
    fn need(&self) -> Need {
        self.pattern.need()
    }

    fn find(&self, text: &str, digits: &Digits, findings: &mut Vec<Finding>) {
        self.pattern.find(text, digits, |start, end| {
            // The words after the number fit the pattern as well: the country's length decides.
            let value = text.get(start..end).unwrap_or_default();
            let length = value.get(..2).and_then(length_of).and_then(|n| cut(value, n));
            let length = length.or_else(|| self.is_called.then_some(value.len()));
            let Some(length) = length else { return };
            let hit = Hit::new(text, start, start + length);
            let before = hit.before().is_some_and(|c| c.is_ascii_alphanumeric());
            let after = hit.after().is_some_and(|c| c.is_ascii_alphanumeric());
            let trust = if passes_97(hit.value()) { Trust::Proof } else { Trust::Context };
            if !before && !after && (self.is_called || trust == Trust::Proof) {
                let (start, end) = (hit.start, hit.end);
                findings.push(Finding { start, end, kind: Kind::Iban, trust });
            }
        });
    }
}

/// The byte after the given number of letters and digits.
fn cut(value: &str, length: usize) -> Option<usize> {
    let mut letters = value.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric());
    letters.nth(length - 1).map(|(offset, _)| offset + 1)
}

fn passes_97(value: &str) -> bool {
    let letters: Vec<u32> = value.chars().filter_map(|c| c.to_digit(36)).collect();
    if letters.len() < SHORTEST {
        return false;
    }
    let (head, tail) = letters.split_at(4);
    let remainder = tail.iter().chain(head).fold(0_u32, |remainder, letter| {
        let shifted = if *letter > 9 { remainder * 100 } else { remainder * 10 };
        (shifted + letter) % 97
    });
    remainder == 1
}

/// The length that a country's numbers have (ISO 13616 registry).
fn length_of(country: &str) -> Option<usize> {
    const LENGTHS: &str = "NO15BE16DK18FI18FO18GL18NL18SD18MK19SI19AT20BA20EE20KZ20LT20LU20XK20\
        CH21HR21LI21LV21BG22BH22CR22DE22GB22GE22IE22ME22RS22AE23GI23IL23IQ23OM23TL23SO23\
        AD24CZ24ES24MD24PK24RO24SA24SE24SK24TN24VG24LY25PT25ST25IS26TR26\
        BI27DJ27FR27GR27IT27MC27MR27SM27AL28AZ28BY28CY28DO28GT28HU28LB28NI28PL28SV28\
        BR29EG29PS29QA29UA29JO30KW30MU30YE30MT31SC31LC32RU33";
    let country = country.to_ascii_uppercase();
    LENGTHS.as_bytes().chunks(4).find_map(|entry| {
        let entry = std::str::from_utf8(entry).ok()?;
        entry.strip_prefix(country.as_str())?.parse().ok()
    })
}
