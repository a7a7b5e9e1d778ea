//! The section of limits: what each key may take, and what the keys of an account may together.

use serde::Deserialize;

/// Limits for each key.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests a minute.
    pub requests_per_minute: u64,
    /// Tokens a minute, prompt and answer.
    pub tokens_per_minute: u64,
    /// Requests at once.
    pub parallel: u64,
    /// The longest answer that may be asked for, in tokens.
    pub max_tokens_per_request: u64,
    /// Limits for each account.
    pub account: AccountLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_minute: 100,
            tokens_per_minute: 200_000,
            parallel: 32,
            max_tokens_per_request: 4_000,
            account: AccountLimits::default(),
        }
    }
}

/// What the keys of an account may take together, where it has no limits of its own.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountLimits {
    /// Requests a minute; no limit when absent.
    pub requests_per_minute: Option<u64>,
    /// Tokens a minute, prompt and answer; no limit when absent.
    pub tokens_per_minute: Option<u64>,
    /// Requests at once; no limit when absent.
    pub parallel: Option<u64>,
    /// Live keys up to which its owner may make further ones on its pages.
    pub keys_max: u64,
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self { requests_per_minute: None, tokens_per_minute: None, parallel: None, keys_max: 100 }
    }
}
