//! TLS to NATS: whom we trust and who we are, as the environment says.

use crate::environment::{Environment, NATS_TLS_CA, NATS_TLS_CERT, NATS_TLS_KEY};
use std::path::PathBuf;

/// What a connection over TLS needs beside a URL that begins with `tls://`. Without an own CA the
/// system's are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who signs NATS's certificate. With one, a connection without TLS is refused.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key, when NATS wants to know us.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// As the environment says; `None` when a certificate comes without its key or the other way
    /// round.
    pub fn of(environment: &Environment) -> Option<Self> {
        let path = |name: &str| environment.get(name).map(PathBuf::from);
        let certificate = match (path(NATS_TLS_CERT), path(NATS_TLS_KEY)) {
            (None, None) => None,
            (certificate, key) => Some((certificate?, key?)),
        };
        Some(Self { ca: path(NATS_TLS_CA), certificate })
    }

    pub(super) fn secure(
        &self,
        mut options: async_nats::ConnectOptions,
    ) -> async_nats::ConnectOptions {
        crate::net::install_cryptography();
        if let Some(ca) = &self.ca {
            options = options.add_root_certificates(ca.clone()).require_tls(true);
        }
        if let Some((certificate, key)) = &self.certificate {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_comes_with_its_key_or_not_at_all() {
        let tls = |pairs| Tls::of(&Environment::of::<2>(pairs));
        assert_eq!(tls([("A", ""), ("B", "")]), Some(Tls::default()));
        assert_eq!(tls([(NATS_TLS_CERT, "c"), ("B", "")]), None);
        assert_eq!(tls([(NATS_TLS_KEY, "k"), (NATS_TLS_CA, "ca")]), None);
        let both = tls([(NATS_TLS_CERT, "c"), (NATS_TLS_KEY, "k")]).unwrap();
        assert_eq!(both.certificate, Some(("c".into(), "k".into())));
    }
}
