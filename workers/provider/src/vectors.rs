//! Vectors on their way from a vendor to the sink: read as numbers or as base64, given on as
//! base64, a few at a time, because a message of the queue has a limit.

use crate::problem;
use crate::sink::{Ended, Sink};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemas::error::Problem;
use schemas::openai::{Content, Message, TOKENS};
use schemas::usage::Usage;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;
use worker_job::vectors;

/// Vectors in the order of their texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    /// Each as base64 of its 32-bit floats.
    pub vectors: Vec<String>,
    /// What the vendor counted; `None` when it told nothing.
    pub usage: Option<Usage>,
}

/// A vector as vendors write it.
pub(crate) enum Vector {
    /// As base64 already.
    Base64(String),
    /// As numbers.
    Numbers(Vec<f32>),
}

/// Read by hand: an untagged enum would first keep every number of a long vector as a value.
impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherForm)
    }
}

struct EitherForm;

impl<'de> Visitor<'de> for EitherForm {
    type Value = Vector;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of numbers, or base64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vector, E> {
        Ok(Vector::Base64(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vector, A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = list.next_element()? {
            numbers.push(number);
        }
        Ok(Vector::Numbers(numbers))
    }
}

impl Vector {
    /// As base64, if it is a vector at all.
    pub(crate) fn base64(self) -> Result<String, Problem> {
        match self {
            Self::Numbers(numbers) if numbers.is_empty() => Err(problem::nonsense()),
            Self::Numbers(numbers) => Ok(vectors::encode(&numbers)),
            Self::Base64(text) => {
                let bytes = STANDARD.decode(&text).map_err(|_| problem::nonsense())?;
                let is_whole = !bytes.is_empty() && bytes.len().is_multiple_of(size_of::<f32>());
                is_whole.then_some(text).ok_or_else(problem::nonsense)
            }
        }
    }
}

/// What is to be embedded, as the vendors that speak OpenAI's protocol write it: texts, or lists of
/// token numbers.
pub(crate) fn inputs(messages: &[Message]) -> Vec<Value> {
    let input = |message: &Message| match &message.content {
        Some(Content::Text(text)) => Value::from(text.as_str()),
        Some(content) => {
            let numbers = content.parts().iter().find_map(|part| part.rest.get(TOKENS));
            numbers.cloned().unwrap_or_else(|| Value::from(content.texts().collect::<String>()))
        }
        None => Value::from(""),
    };
    messages.iter().map(input).collect()
}

/// Gives vectors to the sink.
pub(crate) async fn give(vectors: Vectors, wanted: usize, sink: &mut impl Sink) -> Ended {
    let Vectors { vectors, usage } = vectors;
    if vectors.len() != wanted {
        tracing::warn!(
            wanted,
            given = vectors.len(),
            "the upstream gave another number of vectors"
        );
        return Ended::failed(problem::nonsense());
    }
    for message in vectors::messages(vectors) {
        if sink.pieces(message).await.is_err() {
            return Ended { usage, result: Err(problem::stopped()) };
        }
    }
    Ended { usage, result: Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_base64_are_one_vector() {
        let numbers: Vector = serde_json::from_str("[0.25, -1.5]").unwrap();
        let text = numbers.base64().unwrap();
        assert_eq!(text, "AACAPgAAwL8=");
        let again: Vector = serde_json::from_value(text.clone().into()).unwrap();
        assert_eq!(again.base64().unwrap(), text);
        for wrong in ["[]", "\"\"", "\"AAA=\"", "\"?\""] {
            let wrong: Vector = serde_json::from_str(wrong).unwrap();
            assert!(wrong.base64().is_err());
        }
    }
}
