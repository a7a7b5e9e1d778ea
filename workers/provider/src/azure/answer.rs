//! A whole answer: OpenAI's. What the content filter remarks beside a choice stays with the vendor;
//! that it cut one is the choice's finish reason.

use crate::openai::itself;
use crate::translate::{Protocol, Whole};
use crate::vectors::Vectors;
use schemas::error::Problem;

/// Reads a 2xx body.
pub(super) fn answer(body: &[u8]) -> Result<Whole, Problem> {
    itself().answer(body)
}

/// Reads the 2xx body of a request for vectors.
pub(super) fn vectors(body: &[u8]) -> Result<Vectors, Problem> {
    itself().vectors(body)
}
