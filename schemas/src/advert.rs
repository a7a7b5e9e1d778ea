//! Worker → everybody, every half second and on change: what it can serve and how busy it is. A
//! gateway learns from adverts alone which models can be offered; no registry exists.

use crate::ids::WorkerId;
use serde::{Deserialize, Serialize};

/// How often a worker advertises itself, in milliseconds.
pub const ADVERT_INTERVAL_MS: u64 = 500;
/// How long an advert counts, in milliseconds: four intervals, so one lost message isn't a death.
pub const ADVERT_LIFETIME_MS: u64 = 2_000;

/// An advert. The version is the variant's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advert {
    /// An advert.
    V1(AdvertV1),
}

/// One worker's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvertV1 {
    /// Who.
    pub worker: WorkerId,
    /// Which pool it takes jobs of.
    pub pool: String,
    /// The catalogue names of the models that it can serve now.
    pub models: Vec<String>,
    /// How many jobs it runs at once.
    pub slots: u32,
    /// How many of these are free.
    pub slots_free: u32,
    /// It takes no new job and will end.
    pub draining: bool,
    /// The name of its connection to NATS: when that is gone, so is the worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// It takes jobs that a gateway hands to it past the queue, while it has many free slots.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct: bool,
    /// It says goodbye: forget it at once.
    pub leaving: bool,
    /// The program's version.
    pub version: String,
}

/// The part of NATS's own message about a lost connection that we read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Departure {
    /// Whose connection it was.
    pub client: DepartedClient,
}

/// A client whose connection is gone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DepartedClient {
    /// The name that it had given.
    #[serde(default)]
    pub name: String,
}
