//! Which protocol a client speaks: its first bytes tell. They are given on together with what came
//! behind them, because a reader that is given the few bytes alone makes its buffer twice as large
//! for the rest, and keeps it as long as the connection lives. It reads no request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What an HTTP/2 connection begins with.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose first bytes are known.
pub(crate) struct Opened {
    stream: TcpStream,
    first: [u8; PREFACE.len()],
    count: usize,
}

impl Opened {
    /// Reads until the protocol is sure.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(crate) async fn read(stream: TcpStream) -> io::Result<Self> {
        let mut opened = Self { stream, first: [0; PREFACE.len()], count: 0 };
        while opened.count < PREFACE.len() && PREFACE.starts_with(opened.known()) {
            let read = opened.stream.read(&mut opened.first[opened.count..]).await?;
            if read == 0 {
                break;
            }
            opened.count += read;
        }
        Ok(opened)
    }

    /// Whether it is HTTP/2; all else is HTTP/1.
    pub(crate) fn speaks_http2(&self) -> bool {
        self.known() == PREFACE
    }

    fn known(&self) -> &[u8] {
        &self.first[..self.count]
    }
}

impl AsyncRead for Opened {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let given = self.count.min(out.remaining());
        if given == 0 {
            return Pin::new(&mut self.stream).poll_read(context, out);
        }
        out.put_slice(&self.first[..given]);
        self.first.copy_within(given.., 0);
        self.count -= given;
        // What isn't there yet is read the next time.
        match Pin::new(&mut self.stream).poll_read(context, out) {
            Poll::Ready(read) => Poll::Ready(read),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Opened {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.unwrap(), accepted.unwrap().0)
    }

    #[tokio::test]
    async fn the_first_bytes_tell_the_protocol_and_are_read_again() {
        for (sent, is_http2) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], false),
            (b"P", false),
            (b"", false),
            (b"PRI * HTTP/2.0\r\n\r\nSM", false),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nframes", true),
        ] {
            let (mut client, accepted) = pair().await;
            client.write_all(sent).await.unwrap();
            drop(client);
            let mut opened = Opened::read(accepted).await.unwrap();
            assert_eq!(opened.speaks_http2(), is_http2);
            let mut read = Vec::new();
            opened.read_to_end(&mut read).await.unwrap();
            assert_eq!(read, sent);
        }
    }

    #[tokio::test]
    async fn what_came_behind_them_is_given_together_with_them() {
        let (mut client, accepted) = pair().await;
        let request = [b"POST / HTTP/1.1\r\n".as_slice(), &[b'x'; 1_000]].concat();
        client.write_all(&request).await.unwrap();
        accepted.peek(&mut [0; 1_200]).await.unwrap();
        let mut opened = Opened::read(accepted).await.unwrap();
        let mut buffer = [0; 8_192];
        assert_eq!(opened.read(&mut buffer).await.unwrap(), request.len());
    }
}
