//! What a surface says of a field that is wrong, or that asks for what isn't offered here. The
//! field is always named; nothing is mended silently.

use schemas::error::{ErrorCode, Problem};
use serde_json::{Map, Value};

/// A field that isn't what it should be.
pub(super) fn wrong(field: &str, japanese: &str, english: &str) -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        format!("{field} が正しくありません。{japanese} を指定してください。"),
        format!("'{field}' is not valid: give {english}."),
    )
    .at(field)
}

/// A field that asks for what can't be honoured.
pub(super) fn not_offered(field: &str) -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        format!("{field} には対応していません。外してください。"),
        format!("'{field}' is not supported here: leave it out."),
    )
    .at(field)
}

/// Refuses fields of these names, unless they are null; none of them is left.
pub(super) fn refuse(fields: &mut Map<String, Value>, names: &[&str]) -> Result<(), Problem> {
    for name in names {
        if fields.shift_remove(*name).is_some_and(|value| !value.is_null()) {
            return Err(not_offered(name));
        }
    }
    Ok(())
}
