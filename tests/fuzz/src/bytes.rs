//! Changes of bytes: what a network, a broken program or a hostile one makes of a text.

use crate::Numbers;

/// Texts on which parsers break.
const HARD: [&[u8]; 22] = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\0",
    b"\xFF",
    b"\xEF\xBB\xBF",
    b"\xED\xA0\x80",
    b"\\ud800",
    b"\\u0000",
    b"data:",
    b"data: [DONE]\n\n",
    b"event: error\n",
    b": ping\n\n",
    b"1e999",
    b"-1",
    b"0.5",
    b"18446744073709551616",
    b"null",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "👩‍👩‍👧‍👦日本".as_bytes(),
    b"\"",
];

/// One change; `other` may lend a piece of itself.
pub(crate) fn changed(mut case: Vec<u8>, other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let at = numbers.below(case.len() + 1);
    let end = (at + 1 + numbers.below(16)).min(case.len());
    match numbers.below(7) {
        0 if at < case.len() => case[at] ^= 1 << numbers.below(8),
        1 => {
            case.drain(at.min(end)..end);
        }
        2 => {
            let piece = case[at.min(end)..end].to_vec();
            case.splice(at..at, piece);
        }
        3 => {
            let from = numbers.below(other.len() + 1);
            let to = (from + numbers.below(64)).min(other.len());
            case.splice(at..at, other[from..to].iter().copied());
        }
        4 => case.truncate(at),
        5 => {
            case.splice(at.min(end)..end, numbers.one_of(&HARD).iter().copied());
        }
        _ => {
            case.splice(at..at, numbers.one_of(&HARD).iter().copied());
        }
    }
    case
}
