//! Raw sockets against the server: what a client that reads every byte would see.

use super::*;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use std::convert::Infallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

type Pieces = mpsc::Sender<Bytes>;

/// More than any test sends before it reads.
const PIECES_MAX: usize = 512;

/// A server of one route that streams what the test sends, and some that are whole.
struct Server {
    address: std::net::SocketAddr,
    begun: mpsc::Receiver<Pieces>,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
}

type Begun = State<mpsc::Sender<Pieces>>;

fn events(begun: &mpsc::Sender<Pieces>) -> Response {
    let (pieces, received) = mpsc::channel(PIECES_MAX);
    begun.try_send(pieces).unwrap();
    let body = ReceiverStream::new(received).map(Ok::<Bytes, Infallible>);
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(body)).into_response()
}

async fn stream(State(begun): Begun, _: Bytes) -> Response {
    // As ours do, it waits for something before it answers.
    tokio::time::sleep(Duration::from_millis(1)).await;
    events(&begun)
}

/// Its request's body is never read.
async fn deaf(State(begun): Begun, _: Body) -> Response {
    tokio::time::sleep(Duration::from_millis(1)).await;
    events(&begun)
}

async fn prompt(State(begun): Begun, _: Bytes) -> Response {
    events(&begun)
}

const LARGE_BYTES: usize = 200 << 10;
const LARGE_END: &str = "#end#";

/// Answers before it reads.
async fn large() -> String {
    ["x".repeat(LARGE_BYTES - LARGE_END.len()), LARGE_END.to_owned()].concat()
}

impl Server {
    async fn start() -> Self {
        let listener = PromptListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_address().unwrap();
        let (sender, begun) = mpsc::channel(PIECES_MAX);
        let router = Router::new()
            .route("/stream", post(stream).get(stream))
            .route("/deaf", post(deaf))
            .route("/prompt", post(prompt))
            .route("/large", post(large))
            .route("/whole", get(async || "whole"))
            .route("/unread", post(async || "whole"))
            .route("/read", post(async |_: Bytes| "whole"))
            .with_state(sender);
        let stop = CancellationToken::new();
        let routes = Routes::new(router, CancellationToken::new());
        let server = serve(listener, routes, Places::of_api(false), stop.clone());
        let ended = Tasks::new().spawn("server", server);
        Self { address, begun, stop, ended }
    }

    async fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        Client { stream, read: Vec::new() }
    }

    async fn pieces(&mut self) -> Pieces {
        timeout(Duration::from_secs(5), self.begun.recv()).await.unwrap().unwrap()
    }
}

struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads up to and with an end.
    async fn until(&mut self, end: &str) -> String {
        loop {
            let found = self.read.windows(end.len()).position(|part| part == end.as_bytes());
            if let Some(at) = found {
                let rest = self.read.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
            }
            let read = timeout(Duration::from_secs(5), self.stream.read_buf(&mut self.read));
            assert_ne!(read.await.unwrap().unwrap(), 0, "the connection is closed");
        }
    }

    async fn is_closed(&mut self) -> bool {
        let read = timeout(Duration::from_secs(5), self.stream.read_buf(&mut self.read)).await;
        self.read.is_empty() && matches!(read, Ok(Ok(0)))
    }
}

const ASK: &str = "POST /stream HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
const WHOLE: &str = "GET /whole HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn pieces_are_chunks_and_the_connection_serves_the_next_request() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    for _ in 0..3 {
        client.say(ASK).await;
        let pieces = server.pieces().await;
        let head = client.until("\r\n\r\n").await;
        assert!(
            head.starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"),
            "{head}"
        );
        assert!(head.contains("\r\ndate: ") && head.contains(" GMT\r\n"), "{head}");
        assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
        assert!(!head.contains("\r\nconnection:"), "{head}");
        pieces.try_send(Bytes::from_static(b"data: one\n\n")).unwrap();
        assert_eq!(client.until("\n\n\r\n").await, "b\r\ndata: one\n\n\r\n");
        // A chunk of no bytes would be the end.
        pieces.try_send(Bytes::new()).unwrap();
        pieces.try_send(Bytes::from(vec![b'y'; 16])).unwrap();
        drop(pieces);
        assert_eq!(client.until("0\r\n\r\n").await, "10\r\nyyyyyyyyyyyyyyyy\r\n0\r\n\r\n");
        client.say(WHOLE).await;
        assert!(client.until("\r\n\r\nwhole").await.contains("content-length: 5"));
    }
    server.stop.cancel();
    assert!(client.is_closed().await);
    server.ended.await.unwrap();
}

#[tokio::test]
async fn what_was_asked_before_the_answer_ended_is_answered_after_it() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    // One comes with the first request, another while its answer streams.
    client.say(&[ASK, ASK].concat()).await;
    for _ in 0..2 {
        let pieces = server.pieces().await;
        client.until("\r\n\r\n").await;
        client.say(WHOLE).await;
        pieces.try_send(Bytes::from_static(b"z")).unwrap();
        assert_eq!(client.until("z\r\n").await, "1\r\nz\r\n");
        drop(pieces);
        assert_eq!(client.until("0\r\n\r\n").await, "0\r\n\r\n");
    }
    for _ in 0..2 {
        client.until("\r\n\r\nwhole").await;
    }
}

#[tokio::test]
async fn who_asks_to_close_is_closed() {
    let mut server = Server::start().await;
    for asked in ["Close", "keep-alive, close"] {
        let mut client = server.client().await;
        client.say(&ASK.replace("host: a", &format!("host: a\r\nconnection: {asked}"))).await;
        drop(server.pieces().await);
        let head = client.until("\r\n\r\n").await;
        assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
        client.until("0\r\n\r\n").await;
        assert!(client.is_closed().await);
    }
}

/// A socket that is closed with something unread takes back what its client hasn't read.
#[tokio::test]
async fn who_said_too_much_has_its_answer_whole_before_it_is_closed() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    let ask = ASK.replace("host: a", "host: a\r\nconnection: close");
    client.say(&[ask, "x".repeat(20_000)].concat()).await;
    let pieces = server.pieces().await;
    let piece = Bytes::from(vec![b'y'; 60_000]);
    for _ in 0..20 {
        pieces.try_send(piece.clone()).unwrap();
    }
    pieces.try_send(Bytes::from_static(b"#end#")).unwrap();
    drop(pieces);
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.until("\r\n\r\n").await;
    assert_eq!(client.until("#end#").await.matches('y').count(), 20 * 60_000);
    client.until("0\r\n\r\n").await;
    drop(client);
    // It isn't listened to for ever.
    server.stop.cancel();
    timeout(Duration::from_secs(5), server.ended).await.unwrap().unwrap();
}

/// RFC 9112 §6.1: what follows could be meant as a part of the body.
/// What comes of a body that nobody reads is not the next request, and its client is told.
#[tokio::test]
async fn an_answer_before_the_end_of_a_body_is_the_last_and_says_so() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let head = "POST /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 1500000\r\n\r\n";
    client.say(head).await;
    let told = client.until("whole").await;
    assert!(told.contains("connection: close"), "{told}");
    // Who still speaks isn't reset, so that the answer isn't lost.
    for _ in 0..15 {
        client.say(&"x".repeat(100_000)).await;
    }
    assert!(client.is_closed().await);
    let mut client = server.client().await;
    for (path, body) in [("read", ""), ("read", "xxxx"), ("unread", "xxxx")] {
        let length = body.len();
        let read = format!("POST /{path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
        client.say(&(read + body)).await;
        let told = client.until("whole").await;
        assert!(!told.contains("connection: close"), "{told}");
    }
}

#[tokio::test]
async fn who_tells_two_lengths_is_closed() {
    let mut server = Server::start().await;
    for (one, other) in [(0, 1), (1, 0)] {
        let lengths = ["content-length: 4\r\n", "transfer-encoding: chunked\r\n"];
        let head = ["POST /stream HTTP/1.1\r\nhost: a\r\n", lengths[one], lengths[other]].concat();
        let mut client = server.client().await;
        client.say(&[&head, "\r\n2\r\n{}\r\n0\r\n\r\n", WHOLE].concat()).await;
        drop(server.pieces().await);
        let head = client.until("\r\n\r\n").await;
        assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
        client.until("0\r\n\r\n").await;
        assert!(client.is_closed().await);
    }
}

/// RFC 9112 §3.2: two names may be understood in two ways.
#[tokio::test]
async fn a_request_names_its_host_once() {
    let server = Server::start().await;
    for hosts in ["", "host: a\r\nhost: b\r\n", "Host: a\r\nx: y\r\nHOST: a\r\n"] {
        let mut client = server.client().await;
        client.say(&WHOLE.replace("host: a\r\n", hosts)).await;
        let told = client.until("\r\n\r\n").await;
        assert!(told.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{told}");
        assert!(told.contains("\r\nconnection: close\r\n"), "{told}");
        assert!(client.until("}}").await.contains("\"type\":\"invalid_request_error\""));
        assert!(client.is_closed().await);
    }
    // An older client may know of no hosts.
    let mut client = server.client().await;
    client.say("GET /whole HTTP/1.0\r\n\r\n").await;
    assert!(client.until("whole").await.starts_with("HTTP/1.0 200 OK"));
}

#[tokio::test]
async fn an_older_client_is_told_without_chunks() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client.say(&ASK.replace("HTTP/1.1", "HTTP/1.0")).await;
    let pieces = server.pieces().await;
    pieces.try_send(Bytes::from_static(b"data: old\n\n")).unwrap();
    drop(pieces);
    assert!(!client.until("\r\n\r\n").await.contains("chunked"));
    assert_eq!(client.until("\n\n").await, "data: old\n\n");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn an_answer_is_dropped_when_its_client_hangs_up() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client.say(ASK).await;
    let pieces = server.pieces().await;
    client.until("\r\n\r\n").await;
    assert!(!pieces.is_closed());
    drop(client);
    timeout(Duration::from_secs(5), pieces.closed()).await.unwrap();
}

#[tokio::test]
async fn the_end_of_the_server_waits_for_the_end_of_a_stream() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client.say(ASK).await;
    let pieces = server.pieces().await;
    client.until("\r\n\r\n").await;
    server.stop.cancel();
    pieces.try_send(Bytes::from_static(b"late")).unwrap();
    client.until("late").await;
    assert!(!server.ended.is_finished());
    drop(pieces);
    client.until("0\r\n\r\n").await;
    assert!(client.is_closed().await);
    server.ended.await.unwrap();
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    client.say(ASK).await;
    let pieces = server.pieces().await;
    let piece: Vec<u8> = (0..50_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
    for _ in 0..400 {
        pieces.try_send(Bytes::from(piece.clone())).unwrap();
    }
    drop(pieces);
    client.until("\r\n\r\n").await;
    let whole = client.until("0\r\n\r\n").await;
    let chunk = format!("c350\r\n{}\r\n", String::from_utf8(piece).unwrap());
    assert!(whole == [chunk.repeat(400), "0\r\n\r\n".to_owned()].concat());
}

#[tokio::test]
async fn what_is_odd_is_answered_as_well() {
    let mut server = Server::start().await;
    // A body that nobody read must not be taken for a request.
    let mut client = server.client().await;
    client.say("POST /deaf HTTP/1.1\r\nhost: a\r\ncontent-length: 60\r\n\r\n").await;
    drop(server.pieces().await);
    client.until("0\r\n\r\n").await;
    client.say("GET /whole HTTP/1.1\r\nhost: smuggled-through-a-body\r\n\r\n.......").await;
    let read = timeout(Duration::from_secs(5), client.stream.read_to_end(&mut client.read)).await;
    assert!(!String::from_utf8_lossy(&client.read).contains("whole"), "{read:?}");
    // An answer that is there at once, one after `100 Continue`, and a body in chunks.
    let mut client = server.client().await;
    client.say(&ASK.replace("/stream", "/prompt")).await;
    drop(server.pieces().await);
    client.until("0\r\n\r\n").await;
    client.say(&ASK.replace("host: a", "host: a\r\nexpect: 100-continue")).await;
    drop(server.pieces().await);
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 100 Continue"));
    client.until("0\r\n\r\n").await;
    client
        .say(
            "POST /stream HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
             2\r\n{}\r\n0\r\n\r\n",
        )
        .await;
    drop(server.pieces().await);
    client.until("0\r\n\r\n").await;
    client.say(WHOLE).await;
    client.until("\r\n\r\nwhole").await;
}

#[tokio::test]
async fn answers_before_the_stream_are_written_whole() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    // More than all buffers hold: while it is read bit by bit, the stream is asked for.
    let before = 50;
    let large = ASK.replace("/stream", "/large").repeat(before);
    client.say(&[&large, ASK].concat()).await;
    let mut bit = vec![0; 64 << 10];
    let pieces = loop {
        if let Ok(Some(pieces)) = timeout(Duration::from_millis(3), server.begun.recv()).await {
            break pieces;
        }
        let count = client.stream.read(&mut bit).await.unwrap();
        client.read.extend_from_slice(&bit[..count]);
    };
    tokio::time::sleep(Duration::from_millis(20)).await;
    for _ in 0..before {
        client.until("\r\n\r\n").await;
        assert_eq!(client.until(LARGE_END).await.len(), LARGE_BYTES);
    }
    drop(pieces);
    client.until("\r\n\r\n").await;
    assert_eq!(client.until("0\r\n\r\n").await, "0\r\n\r\n");
}

/// The answers above go the new way, not only the old one, which would pass as well.
#[tokio::test]
async fn a_stream_is_taken_from_hyper_and_nothing_else_is() {
    let taken = |request: &'static str| async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, accepted) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let mut client = client.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let opened = Opened::read(accepted.unwrap().0).await.unwrap();
        let (sender, mut begun) = mpsc::channel::<Pieces>(PIECES_MAX);
        let drop_all = async move { while begun.recv().await.is_some() {} };
        Tasks::new().spawn("streams that end at once", drop_all);
        let router = Router::new()
            .route("/stream", post(stream).get(stream))
            .route("/whole", get(async || "whole"))
            .with_state(sender);
        let routes = Routes::new(router, CancellationToken::new());
        let peer = Peer([127, 0, 0, 1].into());
        let answer = |request| routes.answer(request, peer);
        let stop = CancellationToken::new();
        matches!(takeover::serve(opened, answer, &stop).await, Ok(Served::Streams(_)))
    };
    assert!(taken("GET /stream HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await);
    assert!(!taken("GET /stream HTTP/1.0\r\nhost: a\r\nconnection: close\r\n\r\n").await);
    assert!(!taken("GET /whole HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await);
}

/// RFC 9113 §8.3.1, RFC 9112 §3.2.2: what stands beside the path is what others have read.
#[test]
fn an_address_names_the_host_before_a_header_does() {
    for (address, host) in [("/x", "a"), ("http://b/x", "b"), ("http://u@b:80/x", "b:80")] {
        let request = Request::get(address).header("host", "a");
        let mut request = request.body(()).unwrap();
        super::write_host(&mut request);
        let hosts: Vec<_> = request.headers().get_all("host").iter().collect();
        assert_eq!(hosts, [host]);
    }
}
