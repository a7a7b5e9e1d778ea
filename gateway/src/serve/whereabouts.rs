//! Where a request comes from, for limits that are counted by that.

use super::Peer;
use crate::state::Gateway;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

/// The address of whoever sent a request, as far as it can be told: what the nearest proxy says,
/// when that is one of ours.
pub(crate) struct Whereabouts(pub(crate) String);

impl Whereabouts {
    /// Of a request. A proxy is ours when its address is private.
    pub(crate) fn of(parts: &Parts, gateway: &Gateway) -> Self {
        let told_in = gateway.config.gateway.client_address_header.as_deref();
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let is_near = peer.is_none_or(|peer| match peer {
            IpAddr::V4(address) => address.is_loopback() || address.is_private(),
            IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
        });
        let told = told(parts, told_in.unwrap_or("x-forwarded-for")).filter(|_| is_near);
        Self(told.or(peer).map(|address| address.to_string()).unwrap_or_default())
    }
}

/// The last address in a header: what stands before it, whoever asks may have written.
fn told(parts: &Parts, header: &str) -> Option<IpAddr> {
    let list = parts.headers.get_all(header).iter().next_back()?.to_str().ok()?;
    list.rsplit(',').next()?.trim().parse().ok()
}

impl FromRequestParts<Arc<Gateway>> for Whereabouts {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Infallible> {
        Ok(Self::of(parts, gateway))
    }
}
