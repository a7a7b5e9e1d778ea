//! What is to be done with personal data: the words of configuration, keys and the API. It must
//! never hold a value that was found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What to do with personal data in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Replace it before the queue, restore it in the answer.
    #[default]
    Mask,
    /// Refuse the request.
    Block,
    /// Leave it, but let only models of our own see the request.
    Local,
    /// Leave it.
    Off,
}

/// What to do with images, sounds and files, which can't be looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Media {
    /// Let them pass as they are.
    #[default]
    Pass,
    /// Refuse the request.
    Block,
    /// Let only models of our own see the request.
    Local,
}

/// A key's own policy; what is absent is the configuration's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PrivacyPolicy")]
pub struct PolicyV1 {
    /// For every kind that has no mode of its own, here or in the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// For single kinds, by their names (`email`, `phone`, `person`, …).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, Mode>,
    /// For images, sounds and files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
}
