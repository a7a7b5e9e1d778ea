//! Why a model was chosen, as one short line for a header. It never holds anything of the prompt.

use super::choice::Preferences;
use super::features::Features;
use schemas::catalogue::Tier;
use std::fmt;

/// The rule that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The best of quality, price and wait.
    Best,
    /// The client prefers local models.
    PreferLocal,
    /// Japanese shopping is what the local model is for.
    LocalShopping,
    /// The user was not content with a weaker one.
    Escalated,
    /// The conversation stays where it is.
    Pinned,
    /// The prompt says too little.
    Unsure,
}

impl Why {
    fn as_str(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::PreferLocal => "prefer_local",
            Self::LocalShopping => "local_shopping",
            Self::Escalated => "escalated",
            Self::Pinned => "pinned",
            Self::Unsure => "unsure_default",
        }
    }
}

/// What the line is made of.
pub(super) struct Reason<'a> {
    pub(super) features: &'a Features,
    pub(super) preferences: &'a Preferences,
    pub(super) tier: Option<Tier>,
    pub(super) why: Why,
    pub(super) short_of_credit: bool,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let language = self.features.language.as_str();
        let task = self.features.task.as_str();
        let score = self.features.difficulty;
        write!(formatter, "auto;lang={language};task={task};score={score:.2}")?;
        if let Some(tier) = self.tier {
            write!(formatter, ";tier={}", tier_name(tier))?;
        }
        write!(formatter, ";why={}", self.why.as_str())?;
        match self.preferences.prefer_quality {
            Some(true) => write!(formatter, ";prefer=quality")?,
            Some(false) => write!(formatter, ";prefer=price")?,
            None => {}
        }
        if self.short_of_credit {
            write!(formatter, ";budget=credit")?;
        }
        Ok(())
    }
}

pub(super) fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Economy => "economy",
        Tier::Standard => "standard",
        Tier::Premium => "premium",
    }
}
