//! W3C Trace Context, version 00: which trace, which span of it, and whether it is kept. What
//! can't be read counts as absent: a caller's mistake costs it its trace and nothing else.

use crate::hexadecimal;
use rand::Rng;

/// Where a span stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    trace: [u8; 16],
    span: [u8; 8],
    sampled: bool,
}

impl Context {
    /// A new trace's top. `is_kept` judges the trace by the end of its name.
    pub(super) fn fresh(is_kept: impl Fn(u64) -> bool) -> Self {
        let trace: [u8; 16] = random();
        let mut end = [0; 8];
        end.copy_from_slice(&trace[8..]);
        Self { trace, span: random(), sampled: is_kept(u64::from_be_bytes(end)) }
    }

    /// A span below this one.
    pub(super) fn child(self) -> Self {
        Self { span: random(), ..self }
    }

    /// The trace.
    pub(super) fn trace(&self) -> [u8; 16] {
        self.trace
    }

    /// The span.
    pub(super) fn span(&self) -> [u8; 8] {
        self.span
    }

    /// Whether the trace is kept.
    pub(crate) fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The trace's name, as logs show it.
    pub fn trace_id(&self) -> String {
        hexadecimal(&self.trace)
    }

    /// Reads `traceparent`.
    pub fn read(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let version = bytes::<1>(parts.next()?)?;
        let (trace, span) = (bytes::<16>(parts.next()?)?, bytes::<8>(parts.next()?)?);
        let flags = bytes::<1>(parts.next()?)?;
        // Later versions may have more at their end; 255 is none.
        let is_whole = version[0] != 0 || parts.next().is_none();
        let is_valid = version[0] != 0xff && trace != [0; 16] && span != [0; 8];
        (is_whole && is_valid).then_some(Self { trace, span, sampled: flags[0] & 1 == 1 })
    }

    /// `traceparent` for whoever is below.
    pub fn header(&self) -> String {
        format!(
            "00-{}-{}-0{}",
            hexadecimal(&self.trace),
            hexadecimal(&self.span),
            u8::from(self.sampled)
        )
    }
}

/// Random and not all zeros, which would mean nothing.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes[N - 1] |= u8::from(bytes == [0; N]);
    bytes
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 2 * N || !text.bytes().all(is_hex) {
        return None;
    }
    let mut out = [0; N];
    for (number, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * number..2 * number + 2], 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_header_is_read_and_written() {
        let context = Context::read(HEADER).unwrap();
        assert_eq!(context.header(), HEADER);
        assert!(context.is_sampled());
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let child = context.child();
        assert_eq!(child.trace(), context.trace());
        assert_ne!(child.span(), context.span());
        let later = format!("{}-more", HEADER.replacen("00", "01", 1));
        assert_eq!(Context::read(&later), Some(context), "a later version may have more");
    }

    #[test]
    fn nonsense_is_absent() {
        let zeros = "0".repeat(32);
        for wrong in [
            "",
            "00",
            "nonsense",
            &HEADER[1..],
            &HEADER.to_uppercase(),
            &HEADER.replacen("00", "ff", 1),
            &format!("{HEADER}-more"),
            &HEADER.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zeros),
            &HEADER.replace("00f067aa0ba902b7", &zeros[..16]),
            &HEADER.replace("4bf9", "4bé"),
        ] {
            assert_eq!(Context::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_new_trace_is_kept_by_its_name() {
        assert!(Context::fresh(|_| true).is_sampled());
        assert!(!Context::fresh(|_| false).is_sampled());
        assert_ne!(Context::fresh(|_| true), Context::fresh(|_| true));
    }
}
