//! How good an answer each tier is expected to give: from the difficulty of a prompt. It knows the
//! tiers and the local model, never single vendors.

use schemas::catalogue::Tier;

/// Expected quality of an answer, 0 to 1. A higher tier is never worse than a lower one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TierQuality {
    /// Our own small model.
    pub local: f32,
    /// Cheap models.
    pub economy: f32,
    /// The usual ones.
    pub standard: f32,
    /// The best.
    pub premium: f32,
}

impl TierQuality {
    /// What is expected of a tier, or of a local model whatever its tier.
    pub fn of(&self, tier: Tier, local: bool) -> f32 {
        match tier {
            _ if local => self.local,
            Tier::Economy => self.economy,
            Tier::Standard => self.standard,
            Tier::Premium => self.premium,
        }
    }

    /// From the difficulty, 0 to 1. `at_home`: the local model is asked for what it is for.
    pub(super) fn from_difficulty(difficulty: f32, at_home: bool) -> Self {
        let premium = PREMIUM_AT_EASIEST - PREMIUM_LOSS * difficulty;
        let gain = GAIN_AT_EASIEST + GAIN_MORE * difficulty;
        let economy = premium - gain;
        let local = economy * if at_home { LOCAL_AT_HOME } else { LOCAL_ELSEWHERE };
        Self { local, economy, standard: economy + gain * STANDARD_SHARE, premium }
    }
}

// Fitted by eye to the fifths of difficulty of the public sets (docs/router.md): from the easiest
// to the hardest, cheap models fall from 0.9 to 0.5, and the best ones gain from 0.02 to 0.2.
const PREMIUM_AT_EASIEST: f32 = 0.95;
const PREMIUM_LOSS: f32 = 0.25;
const GAIN_AT_EASIEST: f32 = 0.02;
const GAIN_MORE: f32 = 0.22;
/// The part of the gain that the middle tier has.
const STANDARD_SHARE: f32 = 0.6;
/// Measured: the local model has 0.40 where the best has 0.90; shopping is what it is for.
const LOCAL_AT_HOME: f32 = 0.95;
const LOCAL_ELSEWHERE: f32 = 0.55;
