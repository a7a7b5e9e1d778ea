//! A text that must never be printed: it shows as `***` in every form of output and isn't
//! serialised. Nor may what stands in a URL as a password.

use serde::Deserialize;
use std::fmt;

/// A secret text.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: only for the place that must send or compare it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// A URL without what stands before `@`.
pub(crate) fn without_secret(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://***@{host}"),
        (None, Some((_, host))) => format!("***@{host}"),
        (_, None) => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_leave_urls() {
        assert_eq!(without_secret("nats://u:p@h:1"), "nats://***@h:1");
        assert_eq!(without_secret("u:p@h:1"), "***@h:1");
        assert_eq!(without_secret("nats://h:1"), "nats://h:1");
    }
}
