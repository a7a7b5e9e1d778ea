//! Server-sent events (WHATWG HTML §9.2.6) out of bytes that arrive cut at any place. It knows no
//! vendor, keeps at most `LINE_BYTES_MAX` + `EVENT_BYTES_MAX`, and never panics.

/// The longest line accepted, in bytes.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

/// The most data that one event may carry, in bytes.
pub const EVENT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A read buffer larger than this, in bytes, is given back when it is empty.
const BUFFER_BYTES_KEPT: usize = 64 * 1024;

/// What some servers put before the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Its `event:` line, or empty.
    pub name: String,
    /// Its `data:` lines, joined by a line feed.
    pub data: String,
}

/// A line or an event larger than its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than allowed")]
pub struct Oversized;

/// Bytes in, events out.
#[derive(Debug, Default)]
pub struct Parser {
    /// Bytes not yet consumed, from `start`.
    buffer: Vec<u8>,
    start: usize,
    /// No line ends before this place: what was searched is not searched again.
    searched: usize,
    /// The last line ended with a carriage return: a line feed that follows belongs to it.
    after_return: bool,
    /// The place where a byte order mark may stand is behind.
    begun: bool,
    name: String,
    data: String,
    has_data: bool,
}

impl Parser {
    /// An empty parser.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes as they came from the network; then call [`Parser::next_event`] until it is
    /// empty.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event, or `None` until more bytes come. An event that the stream's end cut
    /// is never given out.
    ///
    /// # Errors
    /// When a line or an event is larger than its limit; the stream can't be read on.
    pub fn next_event(&mut self) -> Result<Option<Event>, Oversized> {
        while let Some(line) = self.next_line()? {
            if line.is_empty() {
                if let Some(event) = self.dispatch() {
                    return Ok(Some(event));
                }
            } else {
                self.field(&line)?;
            }
        }
        Ok(None)
    }

    /// The next whole line without its end. Text is decoded by whole lines only, so that a
    /// character cut by the network is never torn.
    fn next_line(&mut self) -> Result<Option<String>, Oversized> {
        if self.after_return && self.start < self.buffer.len() {
            self.after_return = false;
            if self.buffer[self.start] == b'\n' {
                self.start += 1;
                self.searched = self.searched.max(self.start);
            }
        }
        let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let Some(length) = self.buffer[self.searched..].iter().position(is_end) else {
            self.searched = self.buffer.len();
            let pending = self.buffer.len() - self.start;
            return if pending > LINE_BYTES_MAX { Err(Oversized) } else { Ok(None) };
        };
        let end = self.searched + length;
        if end - self.start > LINE_BYTES_MAX {
            return Err(Oversized);
        }
        let mut line = &self.buffer[self.start..end];
        if !self.begun {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        let text = String::from_utf8_lossy(line).into_owned();
        self.begun = true;
        self.after_return = self.buffer[end] == b'\r';
        self.start = end + 1;
        self.searched = self.start;
        Ok(Some(text))
    }

    /// One `name: value` line; comments and unknown names are nothing.
    fn field(&mut self, line: &str) -> Result<(), Oversized> {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                if self.data.len() + value.len() >= EVENT_BYTES_MAX {
                    return Err(Oversized);
                }
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            "event" => value.clone_into(&mut self.name),
            _ => {}
        }
        Ok(())
    }

    /// What a blank line ends; an event without data is none.
    fn dispatch(&mut self) -> Option<Event> {
        let event =
            Event { name: std::mem::take(&mut self.name), data: std::mem::take(&mut self.data) };
        std::mem::take(&mut self.has_data).then_some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<Event> {
        let mut parser = Parser::new();
        let mut all = Vec::new();
        for piece in pieces {
            parser.push(piece);
            while let Some(event) = parser.next_event().unwrap() {
                all.push(event);
            }
        }
        all
    }

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.into(), data: data.into() }
    }

    const TEXT: &str = "\u{feff}: a comment\r\nevent: one\r\ndata: 日本🙂\r\n\r\n\
                        data:no space\ndata:  two\n\n\
                        event: lost\n\n: ping\n\nid: 1\nretry: 5\nunknown\ndata\n\n\
                        data: old mac\rdata: end\r\rdata: cut";

    fn expected() -> Vec<Event> {
        vec![
            event("one", "日本🙂"),
            event("", "no space\n two"),
            event("", ""),
            event("", "old mac\nend"),
        ]
    }

    #[test]
    fn every_split_gives_the_same_events() {
        let bytes = TEXT.as_bytes();
        assert_eq!(events(&[bytes]), expected());
        for cut in 0..=bytes.len() {
            assert_eq!(events(&[&bytes[..cut], &bytes[cut..]]), expected(), "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(events(&single), expected());
    }

    #[test]
    fn a_line_without_end_is_refused_at_the_limit() {
        let mut parser = Parser::new();
        parser.push(b"data: ");
        let kilobyte = [b'x'; 1024];
        let mut pushed = 6;
        while parser.next_event() == Ok(None) {
            parser.push(&kilobyte);
            pushed += kilobyte.len();
        }
        assert!(pushed > LINE_BYTES_MAX && pushed <= LINE_BYTES_MAX + 1024 + 6);
    }

    #[test]
    fn an_event_of_many_lines_is_refused_at_the_limit() {
        let mut parser = Parser::new();
        let line = format!("data: {}\n", "y".repeat(600 * 1024));
        let outcomes: Vec<_> = (0..4)
            .map(|_| {
                parser.push(line.as_bytes());
                parser.next_event()
            })
            .collect();
        assert_eq!(outcomes, [Ok(None), Ok(None), Ok(None), Err(Oversized)]);
    }

    #[test]
    fn broken_utf8_is_replaced_not_fatal() {
        assert_eq!(events(&[b"data: a\xFFb\n\n"]), [event("", "a\u{fffd}b")]);
    }
}
