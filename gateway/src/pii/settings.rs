//! What is to be done with which kind of data. Plain values: the gateway maps its configuration
//! and a key's own policy to them. An error here must never quote more than the pattern.

use std::collections::BTreeMap;

use super::kind::Kind;

/// What to do with personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Replace it by placeholders.
    #[default]
    Mask,
    /// Refuse the request.
    Block,
    /// Leave it, but let only models that run here see the request.
    Local,
    /// Leave it.
    Off,
}

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
}

impl Settings {
    /// The mode of a kind.
    pub fn mode_of(&self, kind: Kind) -> Mode {
        self.kinds.get(&kind).copied().unwrap_or(self.mode)
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
    /// The embedded name data can't be read: a broken build.
    #[error("privacy: the embedded data can't be read: {0}")]
    Data(&'static str),
}
