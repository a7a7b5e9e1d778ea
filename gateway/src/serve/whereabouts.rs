//! Where a request comes from, for limits that are counted by that.

use super::Peer;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::net::IpAddr;

/// The address of whoever sent a request, as far as it can be told: what the nearest proxy says,
/// when that is one of ours.
pub(crate) struct Whereabouts(pub(crate) String);

impl Whereabouts {
    /// Of a request.
    pub(crate) fn of(parts: &Parts) -> Self {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let is_near = peer.is_none_or(|peer| match peer {
            IpAddr::V4(address) => address.is_loopback() || address.is_private(),
            IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
        });
        let forwarded = parts.headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
        let last = forwarded.and_then(|list| list.rsplit(',').next()).map(str::trim);
        let last = last.and_then(|address| address.parse::<IpAddr>().ok()).filter(|_| is_near);
        Self(last.or(peer).map(|address| address.to_string()).unwrap_or_default())
    }
}

impl<S: Sync> FromRequestParts<S> for Whereabouts {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}
