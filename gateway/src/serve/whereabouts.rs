//! Where a request comes from, for limits that are counted by that.

use super::Peer;
use super::places::client_of;
use crate::state::Gateway;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use infra::seldom::Seldom;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

/// Where a proxy tells whom it serves, unless it is told otherwise.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// That an address isn't believed.
static NOT_NAMED: Seldom = Seldom::new();

/// The address of whoever sent a request, as far as it can be told: what the nearest proxy says,
/// when there is one of ours. Whether there is, the operator says, or its coming over loopback
/// does: else whoever shares a private network with us could say any address.
pub(crate) struct Whereabouts(pub(crate) String);

impl Whereabouts {
    /// Of a request. A proxy is ours when its header is named and its address is private, or when
    /// it comes over loopback.
    pub(crate) fn of(parts: &Parts, gateway: &Gateway) -> Self {
        let told_in = gateway.config.gateway.client_address_header.as_deref();
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        if peer.is_some_and(|peer| lacks_its_name(peer, told_in, &parts.headers)) {
            NOT_NAMED.say(|| {
                tracing::warn!(
                    "{FORWARDED_FOR} comes from a private address and isn't believed, so limits of \
                     one address count for all who come by it: if it is your proxy, name its \
                     header (CLIENT_ADDRESS_HEADER or gateway.client_address_header)"
                );
            });
        }
        let is_ours = peer.is_none_or(|peer| is_ours(peer, told_in.is_some()));
        let told = told(parts, told_in.unwrap_or(FORWARDED_FOR)).filter(|_| is_ours);
        let client = told.or(peer).map(client_of);
        Self(client.map(|address| address.to_string()).unwrap_or_default())
    }
}

/// Whether it is heard from what may be a proxy of ours, and nobody has said that it is one.
fn lacks_its_name(peer: IpAddr, told_in: Option<&str>, headers: &HeaderMap) -> bool {
    let may_be_ours = is_ours(peer, true) && !is_ours(peer, false);
    told_in.is_none() && may_be_ours && headers.contains_key(FORWARDED_FOR)
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
    use axum::http::HeaderValue;

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
            // Of what comes from the open net there is nothing to be said, nor without a header.
            let forwarded = [(FORWARDED_FOR.parse().unwrap(), HeaderValue::from_static("a"))];
            let forwarded = HeaderMap::from_iter(forwarded);
            let is_told = lacks_its_name(proxy, None, &forwarded);
            assert_eq!(is_told, named && !unnamed, "{proxy}");
            assert!(!lacks_its_name(proxy, Some("x-real-ip"), &forwarded), "{proxy}");
            assert!(!lacks_its_name(proxy, None, &HeaderMap::new()), "{proxy}");
        }
    }
}
