//! The vault: which value stands behind which placeholder, for one request. It lives in the
//! gateway's memory only. It must never be printed, logged, cached or published, so it has
//! neither Debug nor Display nor Serialize.

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::kind::Kind;
use super::number_fields::NumberFields;
use super::placeholder::{self, NUMBER_MAX};
use super::restore::{Escape, Restorer};

/// Bytes of a digest in another name: more than anybody has end users.
const ALIAS_BYTES: usize = 16;

/// Numbers that a value has of its own before it takes any that is free.
const OWN_NUMBERS: u32 = 32;

/// The first of a value's own numbers: all have sixteen digits, so that of a million values hardly
/// two have the same. They need not be read back: what is compared is not shown.
const OWN_NUMBER_MIN: u64 = 1_000_000_000_000_000;
/// So many there are.
const OWN_NUMBERS_COUNT: u64 = 9 * OWN_NUMBER_MIN;
/// Digits of each.
const OWN_NUMBER_DIGITS: usize = 16;

/// The values of one request behind their placeholders.
#[derive(Clone, Default)]
pub struct Vault {
    values: Arc<Values>,
    local_only: bool,
}

/// What restorers share.
#[derive(Default)]
pub(super) struct Values {
    values: BTreeMap<(Kind, u64), String>,
    /// Those that were numbers of JSON wherever they stood.
    numbers: BTreeSet<(Kind, u64)>,
    /// Fields that want a number.
    number_fields: NumberFields,
}

impl Values {
    /// The value that this request put behind a placeholder.
    pub(super) fn get(&self, kind: Kind, number: u32) -> Option<&str> {
        self.values.get(&(kind, number.into())).map(String::as_str)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether any was a number.
    pub(super) fn has_numbers(&self) -> bool {
        !self.numbers.is_empty()
    }

    /// Whether a value is a number again where it stands alone in a field.
    pub(super) fn is_number(&self, kind: Kind, number: u32, field: Option<&str>) -> bool {
        self.numbers.contains(&(kind, number.into())) && self.number_fields.holds(field)
    }
}

impl Vault {
    /// Whether nothing was masked.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many different values of each kind were masked, in the order of `Kind::ALL`.
    pub fn counts(&self) -> Vec<(Kind, usize)> {
        let count = |kind| self.values.values.keys().filter(|(of, _)| *of == kind).count();
        Kind::ALL.into_iter().map(|kind| (kind, count(kind))).filter(|(_, n)| *n > 0).collect()
    }

    /// Each value beside its placeholder and kind, for whoever sent it and nobody else.
    pub(crate) fn pairs(&self) -> Vec<(Kind, String, &str)> {
        let mut pairs = Vec::with_capacity(self.values.values.len());
        for ((kind, number), value) in &self.values.values {
            pairs.push((*kind, placeholder::write(*kind, *number), value.as_str()));
        }
        pairs
    }

    /// Whether the policy allows this request only on models that run here.
    pub fn is_local_only(&self) -> bool {
        self.local_only
    }

    /// Restores one choice's text.
    pub fn restorer(&self) -> Restorer {
        Restorer::new(Arc::clone(&self.values), Escape::None)
    }

    /// Restores one tool call's arguments: values are escaped for a JSON string.
    pub fn json_restorer(&self) -> Restorer {
        Restorer::new(Arc::clone(&self.values), Escape::Json)
    }

    /// Restores a whole text.
    pub fn restore(&self, text: &str) -> String {
        restore_whole(self.restorer(), text)
    }

    /// Restores whole tool arguments.
    pub fn restore_json(&self, text: &str) -> String {
        restore_whole(self.json_restorer(), text)
    }
}

fn restore_whole(mut restorer: Restorer, text: &str) -> String {
    let mut restored = restorer.push(text);
    restored.push_str(&restorer.finish());
    restored
}

/// Why no further placeholder could be issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exhausted;

/// Another name for who has one with personal data in it: the same for the same name of a realm.
pub(super) fn alias(realm: &str, name: &str) -> String {
    let digest = digest(&[realm, name]);
    let digits = digest.iter().take(ALIAS_BYTES).map(|byte| format!("{byte:02x}"));
    std::iter::once("user_".to_owned()).chain(digits).collect()
}

/// SHA-256 over texts and where they end. Names of realms are random and nobody's but ours, so that
/// no outsider can try values.
fn digest(texts: &[&str]) -> [u8; 32] {
    let mut sum = Sha256::new();
    for text in texts {
        sum.update(text.len().to_le_bytes());
        sum.update(text);
    }
    sum.finalize().into()
}

/// Hands out placeholders in the order of appearance, or by value.
#[derive(Default)]
pub(super) struct Issuer {
    numbers: BTreeMap<(Kind, String), u64>,
    /// Of these, what was a text somewhere, and what was a number of JSON.
    as_texts: BTreeSet<(Kind, u64)>,
    as_numbers: BTreeSet<(Kind, u64)>,
    number_fields: NumberFields,
    /// The last number of each kind.
    last: [u32; Kind::ALL.len()],
    /// The realm in which a value has its own number.
    realm: Option<String>,
    taken: BTreeSet<(Kind, u64)>,
    /// Numbers as long as a value's own that the input spells, whatever stands before them.
    spelled: BTreeSet<u64>,
    local_only: bool,
}

impl Issuer {
    /// Keeps free what the input itself spells like a placeholder.
    pub(super) fn reserve(&mut self, text: &str) {
        placeholder::spelled(text, |kind, number| {
            self.taken.insert((kind, number.into()));
        });
        if self.realm.is_some() {
            let numbers = text.split(|c: char| !c.is_ascii_digit());
            let long = numbers.filter(|number| number.len() == OWN_NUMBER_DIGITS);
            self.spelled.extend(long.filter_map(|number| number.parse::<u64>().ok()));
        }
    }

    /// From now on a value's number is its own in the realm, as long as no other one has it.
    pub(super) fn number_by_value(&mut self, realm: &str) {
        self.realm = Some(realm.to_owned());
    }

    /// The placeholder for a value: the same for the same value.
    pub(super) fn issue(&mut self, kind: Kind, value: &str) -> Result<String, Exhausted> {
        let number = self.number(kind, value)?;
        self.as_texts.insert((kind, number));
        Ok(placeholder::write(kind, number))
    }

    /// The placeholder for a value that is a number of JSON.
    pub(super) fn issue_number(&mut self, kind: Kind, value: &str) -> Result<String, Exhausted> {
        let number = self.number(kind, value)?;
        self.as_numbers.insert((kind, number));
        Ok(placeholder::write(kind, number))
    }

    /// Whether any value was a number.
    pub(super) fn has_numbers(&self) -> bool {
        !self.as_numbers.is_empty()
    }

    /// Notes the fields that want a number: elsewhere it stays between quotes.
    pub(super) fn write_as_numbers(&mut self, fields: NumberFields) {
        self.number_fields = fields;
    }

    fn number(&mut self, kind: Kind, value: &str) -> Result<u64, Exhausted> {
        let key = (kind, value.to_owned());
        if let Some(number) = self.numbers.get(&key) {
            return Ok(*number);
        }
        let number = match self.realm.clone() {
            Some(realm) => self.number_of(&realm, kind, value)?,
            None => self.next(kind)?,
        };
        self.taken.insert((kind, number));
        self.numbers.insert(key, number);
        Ok(number)
    }

    /// The next number that is free.
    fn next(&mut self, kind: Kind) -> Result<u64, Exhausted> {
        let last = self.last.get_mut(kind as usize).ok_or(Exhausted)?;
        loop {
            *last += 1;
            if *last > NUMBER_MAX {
                return Err(Exhausted);
            }
            let number = u64::from(*last);
            if !self.taken.contains(&(kind, number)) {
                return Ok(number);
            }
        }
    }

    /// A value's own number. Where that is taken it has further ones, far from each other: a text
    /// that spells thousands of placeholders must not make each value walk over all of them.
    fn number_of(&mut self, realm: &str, kind: Kind, value: &str) -> Result<u64, Exhausted> {
        for attempt in 0..OWN_NUMBERS {
            let digest = digest(&[realm, kind.as_str(), value, &attempt.to_string()]);
            let [a, b, c, d, e, f, g, h, ..] = digest;
            let own = u64::from_le_bytes([a, b, c, d, e, f, g, h]) % OWN_NUMBERS_COUNT;
            let number = OWN_NUMBER_MIN + own;
            if !self.taken.contains(&(kind, number)) && !self.spelled.contains(&number) {
                return Ok(number);
            }
        }
        self.next(kind)
    }

    /// Notes that a kind was found whose policy is to stay on local models.
    pub(super) fn keep_local(&mut self) {
        self.local_only = true;
    }

    /// Closes the vault.
    pub(super) fn into_vault(self) -> Vault {
        let by_number = |((kind, value), number)| ((kind, number), value);
        let values = Values {
            values: self.numbers.into_iter().map(by_number).collect(),
            numbers: self.as_numbers.difference(&self.as_texts).copied().collect(),
            number_fields: self.number_fields,
        };
        Vault { values: Arc::new(values), local_only: self.local_only }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_many_requests_have_numbers_of_their_own() {
        let placeholder = |text: &str, value: &str| {
            let mut issuer = Issuer::default();
            issuer.number_by_value("acct_a");
            issuer.reserve(text);
            issuer.issue(Kind::Email, value).unwrap()
        };
        let value = |index: usize| format!("user{index}@example.com");
        let all: BTreeSet<String> = (0..5_000).map(|it| placeholder("", &value(it))).collect();
        assert_eq!(all.len(), 5_000);
        let own = placeholder("", &value(0));
        assert_eq!(own.len(), "[EMAIL_]".len() + OWN_NUMBER_DIGITS, "{own}");
        assert_eq!(placeholder("other text 42", &value(0)), own);
        assert_ne!(placeholder(&own, &value(0)), own);
    }
}
