//! What is to be done with which kind of data: the configuration, and a key's own policy over it.
//! An error here must never quote more than the pattern.

use std::collections::BTreeMap;

use super::finding::Trust;
use super::kind::Kind;
use super::recognizers::Rule;
use schemas::privacy::PolicyV1;
pub use schemas::privacy::{Media, Mode};

/// The policy of masking.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// For every kind that has no mode of its own.
    pub mode: Mode,
    /// For single kinds.
    pub kinds: BTreeMap<Kind, Mode>,
    /// The operator's own patterns: what they match is of the kind `custom`.
    pub patterns: Vec<String>,
    /// Values that are never touched, exactly as they are written.
    pub allow: Vec<String>,
    /// For images, sounds and files.
    pub media: Media,
}

impl Settings {
    /// With a key's own policy over it. Kinds that this version doesn't know are passed over: they
    /// were checked by whoever wrote the key's record.
    #[must_use]
    pub fn with(&self, policy: &PolicyV1) -> Self {
        let mut settings = self.clone();
        settings.mode = policy.mode.unwrap_or(self.mode);
        settings.media = policy.media.unwrap_or(self.media);
        for (name, mode) in &policy.kinds {
            if let Some(kind) = Kind::parse(name) {
                settings.kinds.insert(kind, *mode);
            }
        }
        settings
    }

    /// Whether the operator's own patterns can be used: much quicker than to compile all.
    ///
    /// # Errors
    /// Says which pattern can't be.
    pub fn check(&self) -> Result<(), SettingsError> {
        for pattern in &self.patterns {
            Rule::new(Kind::Custom, Trust::Order, pattern)?;
        }
        Ok(())
    }

    /// The mode of a kind.
    pub fn mode_of(&self, kind: Kind) -> Mode {
        self.kinds.get(&kind).copied().unwrap_or(self.mode)
    }

    /// How much a kind weighs beside another one that is found at the same place: what was asked
    /// for one must not be undone by what was asked for the other.
    pub(super) fn weight_of(&self, kind: Kind) -> u8 {
        match self.mode_of(kind) {
            Mode::Block => 3,
            Mode::Local => 2,
            Mode::Mask => 1,
            Mode::Off => 0,
        }
    }

    /// Whether nothing at all has to be looked for.
    pub(super) fn is_off(&self) -> bool {
        Kind::ALL.into_iter().all(|kind| self.mode_of(kind) == Mode::Off)
    }
}

/// Settings that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A pattern is not a regular expression, or too large.
    #[error("privacy: a pattern can't be used: {0}")]
    Pattern(#[from] regex::Error),
}
