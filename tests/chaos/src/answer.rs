//! The one right answer to each question, known to the vendor and to the checker. Every piece says
//! whose and which it is, so a gap, a repetition and a foreign piece all show.

use crate::dice::hash;

/// What the vendor counts of every question.
pub(crate) const INPUT_TOKENS: u64 = 10;

/// The answer to a question, in pieces; each counts as one token.
pub(crate) fn pieces(id: &str) -> Vec<String> {
    let length = 4 + hash(id) % 36;
    (0..length).map(|number| format!("{id}.{number} ")).collect()
}

/// The same as one text.
pub(crate) fn text(id: &str) -> String {
    pieces(id).concat()
}

/// The question whose answer that is.
pub(crate) fn question(id: &str) -> String {
    format!("chaos {id}")
}

/// Which question it is.
pub(crate) fn id_of(question: &str) -> Option<&str> {
    question.strip_prefix("chaos ")
}
