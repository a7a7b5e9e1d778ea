//! What a large body is made of, before anything is made of it: a few bytes of JSON become a
//! hundred in memory, and each string is looked through for personal data. It keeps nothing, and
//! says nothing of whether the JSON is right.

use schemas::error::{ErrorCode, Problem};

/// Strings (names of fields are some), objects and lists of one body.
const NODES_MAX: usize = 150_000;

/// Commas of one body: of a list of numbers, one for each.
const ITEMS_MAX: usize = 500_000;

/// Refuses a body with more pieces than anybody needs.
pub(super) fn check(body: &[u8]) -> Result<(), Problem> {
    let (mut nodes, mut items) = (0, 0);
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                nodes += 1;
                while let Some(inside) = bytes.next() {
                    match inside {
                        b'"' => break,
                        // What follows is no end, whatever it is.
                        b'\\' => drop(bytes.next()),
                        _ => {}
                    }
                }
            }
            b'{' | b'[' => nodes += 1,
            b',' => items += 1,
            _ => {}
        }
    }
    match nodes > NODES_MAX || items > ITEMS_MAX {
        true => Err(too_many()),
        false => Ok(()),
    }
}

fn too_many() -> Problem {
    Problem::new(
        ErrorCode::PayloadTooLarge,
        format!(
            "JSON の要素が多すぎます（文字列・オブジェクト・配列は {NODES_MAX} 個、\
             カンマは {ITEMS_MAX} 個まで）。"
        ),
        format!(
            "The JSON has too many pieces: at most {NODES_MAX} strings, objects and lists, and \
             {ITEMS_MAX} commas."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(piece: &str, count: usize) -> bool {
        let list = [&piece.repeat(count), "0"].concat();
        check(format!("{{\"a\":[{list}]}}").as_bytes()).is_err()
    }

    #[test]
    fn pieces_are_counted_and_their_bytes_are_not() {
        // Beside these the body has three: itself, a name and the list.
        for (piece, nodes) in [("\"\",", 1), ("[],", 1), ("{\"\":0},", 2), ("[\"\\\"[\"],", 2)] {
            let most = (NODES_MAX - 3) / nodes;
            assert!(!is_refused(piece, most) && is_refused(piece, most + 1), "{piece}");
        }
        assert!(!is_refused("0,", ITEMS_MAX) && is_refused("0,", ITEMS_MAX + 1));
        let long = ["\"", &"[{\\\",\\\\".repeat(300_000), "\""].concat();
        assert!(check(long.as_bytes()).is_ok());
    }

    #[test]
    fn the_longest_conversation_is_let_in() {
        let part = r#"{"role":"user","content":[{"type":"text","text":"x"}]},"#;
        assert!(!is_refused(part, 10_000));
    }

    #[test]
    fn what_is_no_json_is_somebody_elses_to_say() {
        for broken in [&b"\""[..], b"\"\\", b"{\"a", b"]]]", b""] {
            assert!(check(broken).is_ok());
        }
    }
}
