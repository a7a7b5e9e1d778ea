//! The auto-router: from a chat request to an order of candidate models, with the reason. Pure: it
//! does no I/O, calls no model, keeps no state, and never lets a preference reach a vendor.

mod choice;
mod features;
mod grams;
mod language;
mod model;
mod prompt;
mod quality;
mod quotation;
mod reason;
mod repair;
mod shape;
mod task;
#[cfg(test)]
mod tests;
mod tokens;
mod weights;
mod words;

pub use choice::{Candidate, Choice, NoCandidate, Preferences, Settings, Weighed, choose, weigh};
pub use features::{Features, Needs, features};
pub use language::Language;
pub use quality::TierQuality;
pub use task::Task;
