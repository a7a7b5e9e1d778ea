//! Raw frames against an HTTP/2 connection: what a client that doesn't keep to the habits of one
//! may hold open.

use super::*;
use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::response::IntoResponse;
use axum::routing::get;
use futures::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// That no answer has any room: SETTINGS_INITIAL_WINDOW_SIZE is 0.
const NO_ROOM: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];
const PING: &[u8] = &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
const GOAWAY: u8 = 7;

/// Far more than any of these takes.
const LONG: Duration = Duration::from_secs(20);

const PATIENCE: Patience =
    Patience { idle: Duration::from_millis(600), goodbye: Duration::from_millis(300) };

/// `GET` of a path, as the first stream of a connection: names of the static table, no Huffman.
fn ask(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x04, path.len() as u8];
    block.extend_from_slice(path.as_bytes());
    block.extend_from_slice(&[0x01, 1, b'a']);
    // END_STREAM and END_HEADERS.
    let mut frame = vec![0, 0, block.len() as u8, 1, 0x05, 0, 0, 0, 1];
    frame.append(&mut block);
    frame
}

fn slow() -> impl IntoResponse {
    // Nothing comes for far longer than an idle connection may stay.
    let late = stream::once(async {
        tokio::time::sleep(3 * PATIENCE.idle).await;
        Ok::<_, Infallible>("late")
    });
    Body::from_stream(late)
}

/// A connection that is served, and what became of serving it.
async fn connected() -> (TcpStream, tokio::task::JoinHandle<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let mut client = client.unwrap();
    client.write_all(PREFACE).await.unwrap();
    let opened = Opened::read(accepted.unwrap().0).await.unwrap();
    let router = Router::new()
        .route("/whole", get(async || "whole"))
        .route("/large", get(async || "x".repeat(1 << 20)))
        .route("/slow", get(async || slow()))
        .route("/host", get(async |headers: HeaderMap| format!("for {:?}", headers.get(HOST))));
    let routes = Routes::new(router, CancellationToken::new());
    let served = infra::tasks::Tasks::new().spawn("connection", async move {
        let stop = CancellationToken::new();
        let peer = Peer([127, 0, 0, 1].into());
        serve(opened, &routes, peer, PATIENCE, &stop).await.is_ok()
    });
    (client, served)
}

/// Says something again and again until the connection is over; all that came back.
async fn until_over(mut client: TcpStream, again: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    let talk = async {
        loop {
            let piece = timeout(PATIENCE.idle / 10, client.read_buf(&mut read)).await;
            if let Ok(Ok(0) | Err(_)) = piece {
                return;
            }
            let _ = client.write_all(again).await;
        }
    };
    timeout(LONG, talk).await.expect("the connection stays open");
    read
}

/// The types of the frames in what was read.
fn frames(mut read: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [high, middle, low, kind, ..] = *read {
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        kinds.push(kind);
        read = read.get(9 + length..).unwrap_or_default();
    }
    kinds
}

#[tokio::test]
async fn who_asks_nothing_is_told_to_end_and_cut() {
    let half = &ask("/whole")[..12];
    for said in [&[][..], SETTINGS, &[SETTINGS, half].concat()] {
        let (mut client, served) = connected().await;
        let begun = Instant::now();
        client.write_all(said).await.unwrap();
        let read = until_over(client, b"").await;
        assert!(begun.elapsed() >= PATIENCE.idle);
        assert!(frames(&read).contains(&GOAWAY), "{read:?}");
        served.await.unwrap();
    }
}

#[tokio::test]
async fn signs_of_life_are_no_requests() {
    let (mut client, served) = connected().await;
    client.write_all(SETTINGS).await.unwrap();
    until_over(client, PING).await;
    served.await.unwrap();
}

#[tokio::test]
async fn after_an_answer_the_connection_idles_anew() {
    let (mut client, served) = connected().await;
    client.write_all(&[SETTINGS, &ask("/whole")].concat()).await.unwrap();
    let read = until_over(client, b"").await;
    assert!(read.windows(5).any(|part| part == b"whole"), "{read:?}");
    served.await.unwrap();
}

/// Addresses of ours, which buyers are sent back to, are made of it, and a form is held against it.
#[tokio::test]
async fn the_host_is_read_where_http1_has_it() {
    let (mut client, served) = connected().await;
    client.write_all(&[SETTINGS, &ask("/host")].concat()).await.unwrap();
    let read = until_over(client, b"").await;
    assert!(String::from_utf8_lossy(&read).contains(r#"for Some("a")"#), "{read:?}");
    served.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_waits_for_us_keeps_its_connection() {
    let (mut client, served) = connected().await;
    client.write_all(&[SETTINGS, &ask("/slow")].concat()).await.unwrap();
    let read = until_over(client, b"").await;
    assert!(read.windows(4).any(|part| part == b"late"), "{read:?}");
    served.await.unwrap();
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_cut() {
    for path in ["/whole", "/large"] {
        let (mut client, served) = connected().await;
        client.write_all(&[NO_ROOM, &ask(path)].concat()).await.unwrap();
        let read = until_over(client, PING).await;
        assert!(!frames(&read).contains(&0), "a piece came: {read:?}");
        served.await.unwrap();
    }
}
