//! Azure's errors: OpenAI's object, or that of the gateway before it, which has a `statusCode` and
//! a message. The filter's verdict stands inside; its scores are not the client's.

use crate::openai::itself;
use crate::problem::Complaint;
use crate::translate::Protocol;
use serde_json::Value;

/// How the filter is named inside an error.
const FILTERED: &str = "ResponsibleAIPolicyViolation";

/// Reads an error body.
pub(super) fn complaint(body: &[u8]) -> Complaint {
    let mut complaint = itself().error(body);
    let inner = serde_json::from_slice::<Value>(body).ok();
    let code = inner.as_ref().and_then(|body| body.pointer("/error/innererror/code"));
    if code.and_then(Value::as_str) == Some(FILTERED) {
        complaint.code = "content_filter".into();
    }
    complaint
}
