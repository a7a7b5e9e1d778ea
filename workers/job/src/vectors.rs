//! Vectors on their way through the queue: base64 of their 32-bit floats, a few in each message,
//! because a message of the queue has a limit.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemas::openai::{ChunkChoice, EMBEDDING, FinishReason};

/// So many bytes of vectors go into one message, or one vector.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// A vector as it is sent: base64 of its numbers, four bytes each, the lowest first.
pub fn encode(numbers: &[f32]) -> String {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

/// Encoded vectors, in the order of their texts, as the messages that carry them: one choice for
/// each.
pub fn messages(
    vectors: impl IntoIterator<Item = String>,
) -> impl Iterator<Item = Vec<ChunkChoice>> {
    let mut vectors = (0_u32..).zip(vectors).peekable();
    std::iter::from_fn(move || {
        let (mut message, mut bytes) = (Vec::new(), 0);
        let fits =
            |bytes: usize, vector: &str| bytes == 0 || bytes + vector.len() <= MESSAGE_BYTES_MAX;
        while let Some((index, vector)) = vectors.next_if(|(_, vector)| fits(bytes, vector)) {
            bytes += vector.len();
            let mut piece = ChunkChoice::finish(index, FinishReason::Stop);
            piece.delta.rest.insert(EMBEDDING.to_owned(), vector.into());
            message.push(piece);
        }
        (!message.is_empty()).then_some(message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_is_its_bytes() {
        assert_eq!(encode(&[0.25, -1.5]), "AACAPgAAwL8=");
    }

    #[test]
    fn no_message_is_larger_than_it_may_be_and_none_is_lost() {
        let sizes = [10, MESSAGE_BYTES_MAX - 10, 1, 2 * MESSAGE_BYTES_MAX, 5];
        let sent: Vec<_> = messages(sizes.map(|size| "a".repeat(size))).collect();
        let indices: Vec<Vec<u32>> =
            sent.iter().map(|message| message.iter().map(|piece| piece.index).collect()).collect();
        assert_eq!(indices, [vec![0, 1], vec![2], vec![3], vec![4]]);
        assert_eq!(messages([]).count(), 0);
    }
}
