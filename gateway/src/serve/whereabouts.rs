//! Where a request comes from, for limits that are counted by that.

use super::Peer;
use crate::state::Gateway;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

/// The address of whoever sent a request, as far as it can be told: what the nearest proxy says,
/// when there is one of ours. Whether there is, the operator says, or the proxy's being on our own
/// machine does: else whoever shares a private network with us could say any address.
pub(crate) struct Whereabouts(pub(crate) String);

impl Whereabouts {
    /// Of a request. A proxy is ours when its header is named and its address is private, or when
    /// it is on our own machine.
    pub(crate) fn of(parts: &Parts, gateway: &Gateway) -> Self {
        let told_in = gateway.config.gateway.client_address_header.as_deref();
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let is_ours = peer.is_none_or(|peer| is_ours(peer, told_in.is_some()));
        let told = told(parts, told_in.unwrap_or("x-forwarded-for")).filter(|_| is_ours);
        Self(told.or(peer).map(|address| address.to_string()).unwrap_or_default())
    }
}

/// Whether a proxy is ours; of one elsewhere that depends on whether its header is named.
fn is_ours(proxy: IpAddr, is_named: bool) -> bool {
    let is_private = match proxy {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    };
    proxy.is_loopback() || (is_private && is_named)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shares_our_network_is_no_proxy_of_ours_unless_the_operator_says_so() {
        for (proxy, unnamed, named) in [
            ("127.0.0.1", true, true),
            ("::1", true, true),
            ("10.0.0.7", false, true),
            ("192.168.1.7", false, true),
            ("fd00::7", false, true),
            ("198.51.100.7", false, false),
            ("2001:db8::7", false, false),
        ] {
            let proxy = proxy.parse().unwrap();
            assert_eq!((is_ours(proxy, false), is_ours(proxy, true)), (unnamed, named), "{proxy}");
        }
    }
}
