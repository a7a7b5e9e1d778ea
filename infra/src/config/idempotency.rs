//! The section of requests that run once: how long and how much of them is kept.

use serde::Deserialize;

/// Requests with a name of their own, and retries of SDKs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Idempotency {
    /// Whether `Idempotency-Key` and retries are looked at.
    pub enabled: bool,
    /// For how long a key stands for its first request, in seconds.
    pub ttl_seconds: u64,
    /// Largest answer kept, in bytes; the key of a larger one stays used without its answer.
    pub entry_bytes_max: usize,
    /// What one account's answers may take together, in bytes; those that end soonest give way.
    pub account_bytes_max: usize,
    /// For how long an SDK's retry of the same body counts as the same request, in seconds; 0 is
    /// never.
    pub sdk_retry_seconds: u64,
    /// How long a request without a key runs on for a retry when its client has left, in seconds.
    pub sdk_wait_seconds: u64,
}

impl Default for Idempotency {
    fn default() -> Self {
        Self {
            enabled: true,
            ttl_seconds: 86_400,
            entry_bytes_max: 1_048_576,
            account_bytes_max: 16_777_216,
            sdk_retry_seconds: 60,
            sdk_wait_seconds: 10,
        }
    }
}
