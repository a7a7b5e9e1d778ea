//! What an upstream is: whose protocol, which model, where, with which keys. Plain data that the
//! start of the program fills from its configuration; it never shows a key.

use reqwest::header::{HeaderName, HeaderValue};
use schemas::catalogue::{Preset, Vendor};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where OpenAI is when nothing else is said.
const OPENAI_API_BASE: &str = "https://api.openai.com/v1";

/// Where Anthropic is when nothing else is said.
const ANTHROPIC_API_BASE: &str = "https://api.anthropic.com";

/// Where Gemini is when nothing else is said.
const GEMINI_API_BASE: &str = "https://generativelanguage.googleapis.com/v1beta";

/// At most so many keys are tried for one request.
const KEYS_TRIED_MAX: usize = 8;

/// A model as its vendor knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Whose protocol it speaks; [`Vendor::Llama`] is refused, it is another worker's.
    pub vendor: Vendor,
    /// Which server with known differences it is; only for [`Vendor::Compatible`].
    pub preset: Option<Preset>,
    /// The model's name at the vendor; with [`Vendor::Azure`] its deployment's.
    pub name: String,
    /// The address before `/chat/completions`, `/v1/messages`, `/openai` or `/models`; the vendor's
    /// own when absent, required for [`Vendor::Compatible`] and [`Vendor::Azure`].
    pub api_base: Option<String>,
    /// The version of the API; only for [`Vendor::Azure`], and its own when absent.
    pub api_version: Option<String>,
    /// The keys, used in turn; empty for a server that wants none.
    pub api_keys: Vec<ApiKey>,
}

impl Upstream {
    /// The address without a slash at its end; `None` when it isn't given and the vendor has none
    /// of its own.
    pub fn base(&self) -> Option<&str> {
        let own = match self.vendor {
            Vendor::Openai => Some(OPENAI_API_BASE),
            Vendor::Anthropic => Some(ANTHROPIC_API_BASE),
            Vendor::Gemini => Some(GEMINI_API_BASE),
            Vendor::Azure | Vendor::Compatible | Vendor::Llama => None,
        };
        self.api_base.as_deref().or(own).map(|base| base.trim_end_matches('/'))
    }
}

/// A vendor's key. It shows as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Wraps a key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The key itself, for the header that sends it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// A header with a key in it; its value is marked as sensitive.
pub type KeyHeader = (HeaderName, HeaderValue);

/// The keys of one upstream as headers, used in turn.
#[derive(Debug, Default)]
pub(crate) struct KeyRing {
    headers: Vec<KeyHeader>,
    next: AtomicUsize,
}

impl KeyRing {
    /// A ring of these; with none, requests go without a key.
    pub(crate) fn new(headers: Vec<KeyHeader>) -> Self {
        Self { headers, next: AtomicUsize::new(0) }
    }

    /// The keys to try for one request, beginning where the last request did not: at least one
    /// entry, `None` when there is no key.
    pub(crate) fn turn(&self) -> Vec<Option<&KeyHeader>> {
        if self.headers.is_empty() {
            return vec![None];
        }
        let first = self.next.fetch_add(1, Ordering::Relaxed) % self.headers.len();
        let (before, from) = self.headers.split_at(first);
        from.iter().chain(before).take(KEYS_TRIED_MAX).map(Some).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_never_show() {
        let upstream = Upstream {
            vendor: Vendor::Openai,
            preset: None,
            name: "m".into(),
            api_base: None,
            api_version: None,
            api_keys: vec![ApiKey::new("sk-secret")],
        };
        assert!(!format!("{upstream:?}").contains("secret"));
        assert_eq!(upstream.base(), Some(OPENAI_API_BASE));
    }

    #[test]
    fn keys_are_used_in_turn() {
        let header = |name| (HeaderName::from_static("k"), HeaderValue::from_static(name));
        let ring = KeyRing::new(vec![header("a"), header("b"), header("c")]);
        let turn = || -> Vec<_> {
            ring.turn().into_iter().flatten().map(|(_, value)| value.to_str().unwrap()).collect()
        };
        assert_eq!(turn(), ["a", "b", "c"]);
        assert_eq!(turn(), ["b", "c", "a"]);
        assert_eq!(turn(), ["c", "a", "b"]);
        assert_eq!(KeyRing::default().turn(), [None]);
    }
}
