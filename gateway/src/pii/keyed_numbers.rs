//! Numbers beside a key that calls them somebody's, as records have them: `"tel_home": 312345678`.
//! Told again in words that recognisers know, with the zero that a number loses at its beginning.
//! It must never tell a number whose key says that it is a count, a time or the name of a thing.

use super::finding::Span;
use super::keys::{Says, key};
use super::kind::Kind;
use super::recognizers::has_issuer;
use super::retold::{How, Retold};

/// Digits of the numbers that are looked at, without the lost zero.
const DIGITS_MIN: usize = 6;
const DIGITS_MAX: usize = 19;
/// Of a number with a fraction all digits count: a part of it has at least so many of them.
const BROKEN_DIGITS_MIN: usize = 7;
const PART_DIGITS_MIN: usize = BROKEN_DIGITS_MIN.div_ceil(2);
/// Blanks between two numbers of a list.
const BLANKS_MAX: usize = 16;
/// So much is told and read at once, so that the room it takes stays the same.
const STRETCH_BYTES: usize = 256 * 1024;

/// The numbers of a text whose keys say that they are nobody's.
#[derive(Default)]
pub(super) struct Others {
    others: Vec<Other>,
}

/// Where such a number stands.
struct Other {
    start: usize,
    end: usize,
    /// Whether the key speaks of cards.
    of_card: bool,
}

impl Others {
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
}

/// Tells numbers that are somebody's, stretch by stretch, and gives the others.
pub(super) fn retell(text: &str, mut read: impl FnMut(&Retold)) -> Others {
    let bytes = text.as_bytes();
    let (mut numbers, mut retold) = (Others::default(), Retold::default());
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
                let says = key.says_at(text, start, is_broken);
                (says, key.opens_list)
            }),
        };
        last = Some(Last { end, says, is_open });
        match says {
            Says::Nothing => {}
            Says::Other { of_card } => numbers.others.push(Other { start, end, of_card }),
            Says::Called(_) if is_broken => {}
            Says::Called(call) => {
                let digits = text.get(start..end).unwrap_or_default();
                let Some(told) = call.told(digits) else { continue };
                retold.add(call.words);
                retold.tell(start, end - start, &told, How::Otherwise);
                retold.add("\n");
                if retold.text().len() >= STRETCH_BYTES {
                    read(&retold);
                    retold = Retold::default();
                }
            }
        }
    }
    if !retold.text().is_empty() {
        read(&retold);
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

#[cfg(test)]
mod tests {
    use super::{DIGITS_MAX, DIGITS_MIN, STRETCH_BYTES, retell};
    use crate::pii::keys::CALLED;

    #[test]
    fn a_number_is_told_with_the_zero_that_it_lost() {
        let told = |text: &str| {
            let mut told = String::new();
            retell(text, |retold| told.push_str(retold.text()));
            told
        };
        assert_eq!(told("{\"my_number\": 23456789018}"), "\n個人番号 023456789018\n");
        assert_eq!(told("my_number=123456789018&x=1"), "\n個人番号 123456789018\n");
        assert_eq!(told("{\"zip\": 600001}"), "\n〒0600001\n");
        assert_eq!(told("tel_home=312345678&x=1"), "\ntel 312345678\n");
        let nested = "{\"tel\": {\"home\": 312345678, \"x\": {}, \"Work\": 312345678}}";
        assert_eq!(told(nested), "\ntel 312345678\n".repeat(2));
        assert_eq!(told("{'phones': [312345678, 312345678]}"), "\ntel 312345678\n".repeat(2));
        for other in [
            "tel 312345678",
            "{\"mobile\": {\"visitors\": 312345678}, \"home\": 312345678}",
            "{\"tel\": {\"id\": 312345678}, \"x\": {\"work\": 312345678}}",
            "{\"tel\": 1, \"work\": 312345678}",
            "{\"id\": 312345678}",
            "{\"tel\": 312345678.5}",
            "tel: a312345678",
            "tel=[123456,123456,123456]",
            "{\"my_number\": 1234567}",
        ] {
            assert_eq!(told(other), "", "{other}");
        }
    }

    /// How much is told of a text, and how much of it at once.
    fn sizes(text: &str) -> (usize, usize) {
        let (mut told, mut most) = (0, 0);
        retell(text, |retold| {
            told += retold.text().len();
            most = most.max(retold.text().len());
        });
        (told, most)
    }

    /// A text may be one list of such numbers: what is read of it again stays in proportion.
    #[test]
    fn what_is_told_grows_with_the_text_and_is_read_in_stretches() {
        for (key, _) in CALLED {
            for length in DIGITS_MIN..=DIGITS_MAX {
                let number = "9".repeat(length);
                let list = format!("{key}=[{}", format!("{number},").repeat(200));
                let fields = format!("{key}={number} ").repeat(20);
                for text in [list, fields] {
                    assert!(sizes(&text).0 < text.len() * 3, "{key} {length}");
                }
            }
        }
        let (told, most) = sizes(&format!("tel=[{}", "9012345678,".repeat(100_000)));
        assert_eq!(told, "\ntel 9012345678\n".len() * 100_000);
        assert!((STRETCH_BYTES..STRETCH_BYTES + 64).contains(&most), "{most}");
    }
}
