//! The network between a role and a server, as far as a test needs one that is broken: it passes
//! everything on, or swallows it while connections stay as they are. What it swallowed arrives
//! when it is whole again, as TCP sends anew what got lost, unless its connection has ended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// What passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Passing {
    to_server: bool,
    to_client: bool,
    /// How often all connections were cut.
    cuts: u32,
}

/// One way through.
#[derive(Debug, Clone, Copy)]
enum Way {
    ToServer,
    ToClient,
}

/// A network to one server.
pub struct Wire {
    address: SocketAddr,
    passing: watch::Sender<Passing>,
    connections: Arc<AtomicUsize>,
    _listening: JoinSet<()>,
}

impl Wire {
    /// One to a server, which need not be there yet.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let passing = watch::Sender::new(Passing { to_server: true, to_client: true, cuts: 0 });
        let connections = Arc::<AtomicUsize>::default();
        let (mut listening, sees, count) =
            (JoinSet::new(), passing.subscribe(), Arc::clone(&connections));
        listening.spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                running.spawn(carry(client, server, sees.clone()));
            }
        });
        Self { address, passing, connections, _listening: listening }
    }

    /// A URL whose server is reached over this network.
    pub fn over(&self, url: &str, server: SocketAddr) -> String {
        url.replace(&server.to_string(), &self.address.to_string())
    }

    /// Nothing passes any more.
    pub fn swallow(&self) {
        self.let_pass(false, false);
    }

    /// All connections end, and new ones get nothing through.
    pub fn cut(&self) {
        self.swallow();
        self.passing.send_modify(|passes| passes.cuts += 1);
    }

    /// What the server says still passes, and nothing that it is told.
    pub fn swallow_what_is_told(&self) {
        self.let_pass(false, true);
    }

    /// Everything passes again.
    pub fn pass(&self) {
        self.let_pass(true, true);
    }

    fn let_pass(&self, to_server: bool, to_client: bool) {
        self.passing.send_modify(|passes| {
            (passes.to_server, passes.to_client) = (to_server, to_client);
        });
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Carries one connection, from the moment that the server can be reached.
async fn carry(client: TcpStream, server: SocketAddr, mut passing: watch::Receiver<Passing>) {
    let whole = passing.wait_for(|passes| passes.to_server && passes.to_client).await;
    let Ok(cuts) = whole.map(|passes| passes.cuts) else { return };
    let Ok(server) = TcpStream::connect(server).await else { return };
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    // With one way the other ends, too: half a connection is of no use to anybody here.
    tokio::select! {
        () = pour(from_client, to_server, passing.clone(), Way::ToServer) => {}
        () = pour(from_server, to_client, passing.clone(), Way::ToClient) => {}
        _ = passing.wait_for(|passes| passes.cuts != cuts) => {}
    }
}

/// Passes on what comes. What is swallowed is kept until it may pass; it is lost with its
/// connection.
async fn pour(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut passing: watch::Receiver<Passing>,
    way: Way,
) {
    let (mut kept, mut bytes) = (Vec::new(), vec![0; READ_BYTES]);
    loop {
        let passes = match (*passing.borrow_and_update(), way) {
            (Passing { to_server, .. }, Way::ToServer) => to_server,
            (Passing { to_client, .. }, Way::ToClient) => to_client,
        };
        if passes && !kept.is_empty() && to.write_all(&std::mem::take(&mut kept)).await.is_err() {
            return;
        }
        tokio::select! {
            biased;
            read = from.read(&mut bytes) => match read {
                Ok(0) | Err(_) => return,
                Ok(count) => kept.extend_from_slice(&bytes[..count]),
            },
            changed = passing.changed() => if changed.is_err() { return },
        }
    }
}
