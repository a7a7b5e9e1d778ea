//! What an upstream is: whose protocol, which model, where, with which keys. Plain data that the
//! start of the program fills from its configuration; it never shows a key.

pub use crate::keys::KeyHeader;
use schemas::catalogue::{Preset, Vendor};
use std::fmt;

/// Where OpenAI is when nothing else is said.
const OPENAI_API_BASE: &str = "https://api.openai.com/v1";

/// Where Anthropic is when nothing else is said.
const ANTHROPIC_API_BASE: &str = "https://api.anthropic.com";

/// Where Gemini is when nothing else is said.
const GEMINI_API_BASE: &str = "https://generativelanguage.googleapis.com/v1beta";

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
    /// Whether it takes a JSON schema for its answer; only [`Vendor::Anthropic`] does without.
    pub takes_schemas: bool,
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
            takes_schemas: true,
            api_keys: vec![ApiKey::new("sk-secret")],
        };
        assert!(!format!("{upstream:?}").contains("secret"));
        assert_eq!(upstream.base(), Some(OPENAI_API_BASE));
    }
}
