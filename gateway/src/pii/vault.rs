//! The vault: which value stands behind which placeholder, for one request. It lives in the
//! gateway's memory only. It must never be printed, logged, cached or published, so it has
//! neither Debug nor Display nor Serialize.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::kind::Kind;
use super::placeholder::{self, NUMBER_MAX};
use super::restore::{Escape, Restorer};

/// The values of one request behind their placeholders.
#[derive(Clone, Default)]
pub struct Vault {
    values: Arc<Values>,
    local_only: bool,
}

/// What restorers share.
#[derive(Default)]
pub(super) struct Values {
    values: BTreeMap<(Kind, u32), String>,
}

impl Values {
    /// The value that this request put behind a placeholder.
    pub(super) fn get(&self, kind: Kind, number: u32) -> Option<&str> {
        self.values.get(&(kind, number)).map(String::as_str)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
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

/// Hands out placeholders in the order of appearance.
#[derive(Default)]
pub(super) struct Issuer {
    numbers: BTreeMap<(Kind, String), u32>,
    last: [u32; Kind::ALL.len()],
    taken: BTreeSet<(Kind, u32)>,
    local_only: bool,
}

impl Issuer {
    /// Keeps free what the input itself spells like a placeholder.
    pub(super) fn reserve(&mut self, text: &str) {
        placeholder::spelled(text, |kind, number| {
            self.taken.insert((kind, number));
        });
    }

    /// The placeholder for a value: the same for the same value.
    pub(super) fn issue(&mut self, kind: Kind, value: &str) -> Result<String, Exhausted> {
        let key = (kind, value.to_owned());
        if let Some(number) = self.numbers.get(&key) {
            return Ok(placeholder::write(kind, *number));
        }
        let last = self.last.get_mut(kind as usize).ok_or(Exhausted)?;
        loop {
            *last += 1;
            if *last > NUMBER_MAX {
                return Err(Exhausted);
            }
            if !self.taken.contains(&(kind, *last)) {
                break;
            }
        }
        self.numbers.insert(key, *last);
        Ok(placeholder::write(kind, *last))
    }

    /// Notes that a kind was found whose policy is to stay on local models.
    pub(super) fn keep_local(&mut self) {
        self.local_only = true;
    }

    /// Closes the vault.
    pub(super) fn into_vault(self) -> Vault {
        let by_number = |((kind, value), number)| ((kind, number), value);
        let values = Values { values: self.numbers.into_iter().map(by_number).collect() };
        Vault { values: Arc::new(values), local_only: self.local_only }
    }
}
