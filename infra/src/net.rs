//! Sockets, every one without Nagle's delay: together with delayed acknowledgements it costs 40 ms
//! on each small write. No protocol lives here.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Once;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long to wait after a failed accept (out of file descriptors), before the next.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How long sent bytes may stay unread by the other side, or a silent connection unproven.
const UNREAD_SECONDS_MAX: Duration = Duration::from_secs(60);

/// A silent connection is asked again after so long when the other side didn't answer, …
const UNPROVEN_INTERVAL: Duration = Duration::from_secs(5);

/// … and ends after so many questions: within 75 s of the client's last sign of life.
#[cfg(not(windows))]
const UNPROVEN_QUESTIONS_MAX: u32 = 3;

/// Connections that may wait until they are accepted, if the system allows as many. Of a burst of
/// clients those beyond the library's 128 would not be heard, and ask again after a second.
const CONNECTIONS_WAITING_MAX: i32 = 4_096;

/// A listener whose accepted sockets have TCP_NODELAY set; `axum::serve` alone doesn't set it.
pub struct PromptListener(TcpListener);

impl PromptListener {
    /// Listens at an address; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is taken or not ours; the text says what to do.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::bind_as("--listen", address).await
    }

    /// The same for an address that another option chooses.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub async fn bind_as(option: &str, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            let hint = format!(
                "another program may use it: choose another with {option} HOST:PORT, or HOST:0 \
                 for a free one"
            );
            io::Error::new(error.kind(), format!("can't listen at {address}: {error} ({hint})"))
        })?;
        socket2::SockRef::from(&listener).listen(CONNECTIONS_WAITING_MAX)?;
        Ok(Self(listener))
    }

    /// Where it listens.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl axum::serve::Listener for PromptListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    fn accept(&mut self) -> impl Future<Output = (Self::Io, Self::Addr)> + Send {
        let listener = &self.0;
        async move {
            loop {
                match listener.accept().await {
                    Ok((stream, address)) => {
                        if let Err(error) = prepare(&stream) {
                            tracing::debug!(%error, "a socket's options were refused");
                        }
                        return (stream, address);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection couldn't be accepted");
                        tokio::time::sleep(ACCEPT_RETRY).await;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// No delay, and an end for clients that neither read nor leave.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNREAD_SECONDS_MAX))?;
    let keepalive =
        socket2::TcpKeepalive::new().with_time(UNREAD_SECONDS_MAX).with_interval(UNPROVEN_INTERVAL);
    #[cfg(not(windows))]
    let keepalive = keepalive.with_retries(UNPROVEN_QUESTIONS_MAX);
    socket.set_tcp_keepalive(&keepalive)
}

/// How many descriptors (sockets, files) the process may have: as many as are wanted, if the system
/// lets it have them. Many systems begin with 1024 of what they allow.
pub fn allow_descriptors(wanted: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = maximum.unwrap_or(u64::MAX).min(wanted);
    let mut allowed = current.unwrap_or(u64::MAX);
    if allowed < most {
        let raised = Rlimit { current: Some(most), maximum };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => allowed = most,
            Err(error) => tracing::warn!(%error, allowed, "no more descriptors are to be had"),
        }
    }
    usize::try_from(allowed).unwrap_or(usize::MAX)
}

/// Makes ring the process's only cryptography; TLS fails without it. Safe to repeat.
pub fn install_cryptography() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("a cryptography provider had been installed before");
        }
    });
}

/// An HTTP client for short questions to our own services.
///
/// # Errors
/// When TLS can't be set up.
pub fn http_client(limit: Duration) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder().tcp_nodelay(true).timeout(limit).build()
}

/// A free TCP port of this machine, for a child process. Somebody else may take it before the
/// child does: the caller tries again when the child can't listen.
///
/// # Errors
/// As the operating system says.
pub fn free_port() -> io::Result<u16> {
    let probe = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    Ok(probe.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::serve::Listener;

    #[tokio::test]
    async fn accepted_sockets_do_not_wait() {
        let mut listener = PromptListener::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_address().unwrap();
        let (client, (accepted, _)) =
            tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
        client.unwrap();
        assert!(accepted.nodelay().unwrap());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_client_that_vanishes_is_noticed_soon_after_it_may_be_asked() {
        let mut listener = PromptListener::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_address().unwrap();
        let (_client, (accepted, _)) =
            tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
        let socket = socket2::SockRef::from(&accepted);
        assert!(socket.keepalive().unwrap());
        let questions =
            socket.tcp_keepalive_interval().unwrap() * socket.tcp_keepalive_retries().unwrap();
        assert_eq!(socket.tcp_keepalive_time().unwrap(), UNREAD_SECONDS_MAX);
        assert!(questions <= Duration::from_secs(15), "{questions:?}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_burst_of_clients_is_heard_before_anybody_is_accepted() {
        let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let clients = most.trim().parse::<usize>().unwrap().min(300);
        let listener = PromptListener::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_address().unwrap();
        let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(900));
        let heard: Vec<_> = (0..clients).map(|_| connect().unwrap()).collect();
        assert_eq!(heard.len(), clients);
    }

    #[tokio::test]
    async fn a_taken_port_says_what_to_do() {
        let first = PromptListener::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let second = PromptListener::bind(first.local_address().unwrap()).await;
        assert!(second.err().unwrap().to_string().contains("with --listen HOST:PORT"));
        let taken = first.local_address().unwrap();
        let third = PromptListener::bind_as("--metrics-listen", taken).await;
        assert!(third.err().unwrap().to_string().contains("with --metrics-listen HOST:PORT"));
    }
}
