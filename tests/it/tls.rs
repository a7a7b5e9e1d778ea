//! NATS behind TLS, with certificates on both sides: a real server with a configuration of its own,
//! and papers made for the test.

use harness::wait_for;
use infra::bus::{Bus, Tls};
use infra::children::{ChildProcess, Launch};
use infra::config::Queue;
use infra::environment::{Environment, NATS_SERVER};
use infra::net::free_port;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Starts a nats-server with a configuration of its own.
fn start(folder: &Path, config: &str) -> ChildProcess {
    let file = folder.join("nats.conf");
    std::fs::write(&file, config).unwrap();
    let program = Environment::of_process().get(NATS_SERVER).unwrap_or("nats-server").into();
    let log = folder.join("nats.log").into_os_string();
    let arguments = vec!["-c".into(), file.into_os_string(), "-l".into(), log];
    let launch = Launch {
        name: "nats-server",
        program,
        arguments,
        environment: Vec::new(),
        error_file: None,
    };
    ChildProcess::start(launch).unwrap()
}

/// Certificates of one authority, as files.
struct Papers {
    folder: TempDir,
}

impl Papers {
    fn new() -> Self {
        let papers = Self { folder: TempDir::new().unwrap() };
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(papers.path("ca.pem"), authority.pem()).unwrap();
        for name in ["server", "client"] {
            let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(names).unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap();
            std::fs::write(papers.path(&format!("{name}.pem")), certificate.pem()).unwrap();
            std::fs::write(papers.path(&format!("{name}-key.pem")), key.serialize_pem()).unwrap();
        }
        papers
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn client(&self) -> Tls {
        let certificate = Some((self.path("client.pem"), self.path("client-key.pem")));
        Tls { ca: Some(self.path("ca.pem")), certificate }
    }
}

#[tokio::test]
async fn nats_is_reached_over_tls_with_certificates_on_both_sides_and_not_without() {
    let (papers, port) = (Papers::new(), free_port().unwrap());
    let path = |name| papers.path(name).display().to_string();
    let config = format!(
        "listen: \"127.0.0.1:{port}\"\njetstream {{store_dir: \"{}\"}}\n\
         tls {{cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true}}\n",
        path("streams"),
        path("server.pem"),
        path("server-key.pem"),
        path("ca.pem"),
    );
    let _server = start(papers.folder.path(), &config);
    let url = format!("tls://127.0.0.1:{port}");
    let bus = wait_for("NATS over TLS", async || {
        Bus::connect_over(&url, "tls", &papers.client()).await.ok()
    })
    .await;
    bus.apply_streams(&Queue::default(), &["cloud".to_owned()]).await.unwrap();
    let unknown = Tls { certificate: None, ..papers.client() };
    assert!(Bus::connect_over(&url, "tls", &unknown).await.is_err(), "NATS wants to know us");
    let trusting = Tls { ca: None, ..papers.client() };
    assert!(Bus::connect_over(&url, "tls", &trusting).await.is_err(), "nobody we know signed it");
    let other = Papers::new();
    let strangers = Tls { ca: Some(other.path("ca.pem")), ..papers.client() };
    assert!(Bus::connect_over(&url, "tls", &strangers).await.is_err(), "somebody else signed it");
}
