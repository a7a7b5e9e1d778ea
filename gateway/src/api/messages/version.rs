//! The versions of Anthropic's API that are spoken, by the `anthropic-version` header.

use axum::http::HeaderMap;
use schemas::error::{ErrorCode, Problem};

/// The header that names the version.
pub(super) const HEADER: &str = "anthropic-version";

/// A version of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// `2023-06-01`, and what is meant when none is named.
    June2023,
    /// `2026-10-21`: no sampling parameters, stricter blocks.
    October2026,
}

impl Version {
    /// The version that a request names.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        match headers.get(HEADER).map(|value| value.to_str().unwrap_or_default().trim()) {
            None | Some("2023-06-01") => Ok(Self::June2023),
            Some("2026-10-21") => Ok(Self::October2026),
            Some(_) => Err(Problem::new(
                ErrorCode::InvalidRequest,
                "anthropic-version は 2023-06-01 か 2026-10-21 にしてください。",
                "The header anthropic-version must be 2023-06-01 or 2026-10-21.",
            )
            .at(HEADER)),
        }
    }
}
