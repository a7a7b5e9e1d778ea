//! Which protocol a client speaks: its first bytes tell. They are given on together with what came
//! behind them, because a reader that is given the few bytes alone makes its buffer twice as large
//! for the rest. What a client says while its answer streams is kept in the same way. It reads no
//! request.

use bytes::{Buf, BytesMut};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What an HTTP/2 connection begins with.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client may say in one breath before its answer has ended; it isn't listened to further.
const EARLY_BYTES_MAX: usize = 512;

/// What a client may go on saying after the end of its connection's last answer.
const LATE_BYTES_MAX: u64 = 8_388_608;

/// How long it may do so.
const LATE_SECONDS_MAX: Duration = Duration::from_secs(2);

/// A connection of which some bytes are read already.
pub(super) struct Opened {
    stream: TcpStream,
    /// What was read, and is given on first.
    early: BytesMut,
    /// Whether all that was written before has left since somebody last unset it.
    is_flushed: Arc<AtomicBool>,
}

impl Opened {
    /// Reads until the protocol is sure.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) async fn read(mut stream: TcpStream) -> io::Result<Self> {
        let mut first = [0; PREFACE.len()];
        let mut count = 0;
        while count < PREFACE.len() && PREFACE.starts_with(&first[..count]) {
            let read = stream.read(&mut first[count..]).await?;
            if read == 0 {
                break;
            }
            count += read;
        }
        Ok(Self { stream, early: BytesMut::from(&first[..count]), is_flushed: Arc::default() })
    }

    /// Whether it is HTTP/2; all else is HTTP/1.
    pub(super) fn speaks_http2(&self) -> bool {
        self.early == PREFACE[..]
    }

    /// Set when all that a writer had is written.
    pub(super) fn is_flushed(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_flushed)
    }

    /// Takes back what a reader has read and not used.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let later = std::mem::replace(&mut self.early, BytesMut::from(bytes));
            self.early.extend_from_slice(&later);
        }
    }

    /// Ends the connection after its last answer. A socket that is closed while something is unread
    /// resets the connection, and the client loses what it hasn't read: so who has said more is
    /// listened to a little longer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) async fn end(mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        if !self.early.is_empty() {
            self.listen_on().await;
        }
        Ok(())
    }

    /// Listens a little longer to who was answered before all was said, and forgets it.
    pub(super) async fn listen_on(self) {
        let mut rest = self.stream.take(LATE_BYTES_MAX);
        let mut sink = tokio::io::sink();
        let _ = timeout(LATE_SECONDS_MAX, tokio::io::copy(&mut rest, &mut sink)).await;
    }

    /// Ready with the reason when the client is gone. What it says instead is kept for the next
    /// reader; then it isn't listened to.
    pub(super) fn poll_hang_up(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if !self.early.is_empty() {
            return Poll::Pending;
        }
        let mut room = [0; EARLY_BYTES_MAX];
        let mut read = ReadBuf::new(&mut room);
        match ready!(Pin::new(&mut self.stream).poll_read(context, &mut read)) {
            Err(error) => Poll::Ready(error),
            Ok(()) if read.filled().is_empty() => Poll::Ready(io::ErrorKind::UnexpectedEof.into()),
            Ok(()) => {
                self.early.extend_from_slice(read.filled());
                Poll::Pending
            }
        }
    }
}

impl AsyncRead for Opened {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let given = self.early.len().min(out.remaining());
        if given == 0 {
            return Pin::new(&mut self.stream).poll_read(context, out);
        }
        out.put_slice(&self.early[..given]);
        self.early.advance(given);
        if !self.early.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.early = BytesMut::new();
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
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() {
            self.is_flushed.store(true, Ordering::Release);
        }
        flushed
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
