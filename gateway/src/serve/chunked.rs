//! An answer that streams, written to its socket in chunks (RFC 9112 §7.1): what is there is
//! written at once, and nothing is kept while nothing is there. It reads no request.

use super::opened::Opened;
use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, header, response};
use axum::response::Response;
use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;
use tokio::io::AsyncWrite;

/// So many bytes are gathered for a write, and the piece that makes them more: no more of the
/// answer is asked for until the client has taken them.
const UNSENT_BYTES_MAX: usize = 65_536;

/// Whether an answer is one that streams.
pub(super) fn streams(answer: &Response) -> bool {
    let is_events = |value: &HeaderValue| value.as_bytes().starts_with(b"text/event-stream");
    let headers = answer.headers();
    headers.get(header::CONTENT_TYPE).is_some_and(is_events)
        && !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::CONNECTION)
}

/// Writes an answer to its end. It is dropped at once when its client hangs up.
///
/// # Errors
/// When the client is gone, or the answer breaks off.
pub(super) async fn write(
    opened: &mut Opened,
    answer: Response,
    stays_open: bool,
) -> io::Result<()> {
    let mut writing = Writing::new(answer, stays_open);
    poll_fn(|context| writing.poll(opened, context)).await
}

struct Writing {
    body: Body,
    is_ended: bool,
    /// What is to be written, and how much of that is.
    unsent: Vec<u8>,
    sent: usize,
}

impl Writing {
    fn new(answer: Response, stays_open: bool) -> Self {
        let (parts, body) = answer.into_parts();
        Self { body, is_ended: false, unsent: head(&parts, stays_open), sent: 0 }
    }

    fn poll(&mut self, opened: &mut Opened, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = opened.poll_hang_up(context) {
            return Poll::Ready(Err(error));
        }
        loop {
            // Of what is partly sent the rest goes first: that bounds what is kept.
            if self.sent == 0 {
                self.gather(context)?;
            }
            if self.unsent.is_empty() {
                return if self.is_ended { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            while self.sent < self.unsent.len() {
                let rest = &self.unsent[self.sent..];
                match ready!(Pin::new(&mut *opened).poll_write(context, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => self.sent += written,
                }
            }
            // No room is kept for what isn't there yet.
            (self.unsent, self.sent) = (Vec::new(), 0);
        }
    }

    /// Takes what there is of the answer.
    fn gather(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while !self.is_ended && self.unsent.len() < UNSENT_BYTES_MAX {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending => break,
                Poll::Ready(Some(frame)) => {
                    if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
                        chunk(&data, &mut self.unsent);
                    }
                }
                Poll::Ready(None) => {
                    self.is_ended = true;
                    self.unsent.extend_from_slice(b"0\r\n\r\n");
                }
            }
        }
        Ok(())
    }
}

/// One chunk; one of no bytes would be the end.
fn chunk(data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() {
        return;
    }
    // 16 digits of its size at most, and two ends of a line.
    out.reserve(data.len() + 20);
    let _ = write!(out, "{:x}\r\n", data.len());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// The status and the headers.
fn head(answer: &response::Parts, stays_open: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_024);
    let reason = answer.status.canonical_reason().unwrap_or_default();
    let _ = write!(out, "HTTP/1.1 {} {reason}\r\n", answer.status.as_u16());
    for (name, value) in &answer.headers {
        line(name.as_str().as_bytes(), value.as_bytes(), &mut out);
    }
    if !answer.headers.contains_key(header::DATE) {
        let _ = write!(out, "date: {}\r\n", httpdate::HttpDate::from(SystemTime::now()));
    }
    if !stays_open {
        line(b"connection", b"close", &mut out);
    }
    line(b"transfer-encoding", b"chunked", &mut out);
    out.extend_from_slice(b"\r\n");
    out
}

fn line(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{StreamExt, stream};
    use std::convert::Infallible;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;

    /// A socket that takes little at a time: the answer is never wholly sent before its end.
    #[tokio::test]
    async fn no_more_is_kept_than_a_writes_worth() {
        const PIECE: &[u8] = &[b'x'; 5_000];
        const PIECES: usize = 2_000;
        let (server, client) = (TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap());
        server.set_send_buffer_size(8 << 10).unwrap();
        client.set_recv_buffer_size(8 << 10).unwrap();
        server.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = server.listen(1).unwrap();
        let connecting = client.connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(connecting, listener.accept());
        let mut client = client.unwrap();
        client.write_all(b"GET").await.unwrap();
        let mut opened = Opened::read(accepted.unwrap().0).await.unwrap();
        opened.read_exact(&mut [0; 3]).await.unwrap();
        let pieces = stream::repeat(Ok::<_, Infallible>(PIECE)).take(PIECES);
        let mut writing = Writing::new(Response::new(Body::from_stream(pieces)), true);
        let mut kept_most = 0;
        let written = poll_fn(|context| {
            let written = writing.poll(&mut opened, context);
            kept_most = kept_most.max(writing.unsent.capacity());
            written
        });
        let read = async {
            let (mut room, mut count) = (vec![0; 4 << 10], 0);
            while count < PIECE.len() * PIECES {
                count += client.read(&mut room).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(written, read);
        written.unwrap();
        assert!(kept_most <= 2 * (UNSENT_BYTES_MAX + PIECE.len()), "{kept_most} bytes were kept");
    }
}
