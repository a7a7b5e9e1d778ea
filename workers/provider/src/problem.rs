//! What went wrong upstream, as our client may see it. One table for all vendors; a vendor's own
//! words pass only where the client can act on them, cut and as plain text, and never its HTML,
//! its word about our key, or its word about our bill.

use schemas::error::{ErrorCode, Problem};

/// A vendor's message is cut here, in characters.
const MESSAGE_CHARACTERS_MAX: usize = 500;

/// The name of a field that a vendor blames is passed on up to this length, in bytes.
const PARAMETER_BYTES_MAX: usize = 100;

/// How vendors say that the prompt doesn't fit.
const CONTEXT_PHRASES: [&str; 8] = [
    "prompt is too long",
    "maximum context length",
    "exceed context limit",
    "context size",
    "context window",
    "reduce the length of the messages",
    "input token count exceeds",
    "exceeds the maximum number of tokens allowed",
];

/// How Gemini says in a 400 that a key is wrong.
const KEY_INVALID: &str = "api_key_invalid";

/// How vendors say that our account, not our client, lacks money or a valid key.
const ACCOUNT_PHRASES: [&str; 6] = [
    "credit balance",
    "insufficient_quota",
    "billing_not_active",
    "billing_error",
    KEY_INVALID,
    "api_key_service_blocked",
];

/// What a vendor said, in no vendor's shape. Empty is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Complaint {
    /// Its code.
    pub code: String,
    /// Its type.
    pub kind: String,
    /// Its words.
    pub message: String,
    /// The field that it blames.
    pub parameter: String,
    /// The pause that it asks for, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl Complaint {
    fn says(&self, phrases: &[&str]) -> bool {
        let message = self.message.to_lowercase();
        phrases
            .iter()
            .any(|phrase| message.contains(phrase) || self.code == *phrase || self.kind == *phrase)
    }

    /// Whether the key is wrong, by the vendor's own code and whatever its status.
    pub(crate) fn is_about_key(&self) -> bool {
        self.code == KEY_INVALID
    }

    fn is_about_context(&self) -> bool {
        self.code == "context_length_exceeded"
            || self.kind == "exceed_context_size_error"
            || self.says(&CONTEXT_PHRASES)
    }

    fn is_about_policy(&self) -> bool {
        const CODES: [&str; 3] =
            ["content_filter", "content_policy_violation", "moderation_blocked"];
        CODES.contains(&self.code.as_str()) || CODES.contains(&self.kind.as_str())
    }

    /// The vendor's words, fit to be shown: one line, plain, at most 500 characters.
    fn words(&self) -> String {
        let head = self.message.trim_start().to_lowercase();
        if head.starts_with('<') || head.contains("<html") || head.contains("<!doctype") {
            return String::new();
        }
        let plain = |character: char| if character.is_control() { ' ' } else { character };
        let words: String = self.message.trim().chars().map(plain).collect();
        words.chars().take(MESSAGE_CHARACTERS_MAX).collect()
    }
}

/// An answer with a status that isn't 2xx, or an error event (with the status that the same error
/// would have had).
pub(crate) fn refused(status: u16, complaint: &Complaint, retry_after_ms: Option<u64>) -> Problem {
    // Not the vendor's API but something before it.
    let says_nothing = *complaint == Complaint::default();
    match status {
        400 | 422 if says_nothing => failed(),
        400 | 413 | 422 if complaint.is_about_context() => quoting(
            ErrorCode::ContextLengthExceeded,
            "会話がモデルのコンテキスト長を超えています。短くしてください。",
            "Shorten the conversation: the model's vendor finds it too long for the context.",
            complaint,
        ),
        400 | 422 if complaint.says(&ACCOUNT_PHRASES) => failed(),
        400 | 422 if complaint.is_about_policy() => quoting(
            ErrorCode::ContentBlocked,
            "モデル提供元のポリシーにより拒否されました。内容を変えてください。",
            "Change the content: the model's vendor refuses it by its policy.",
            complaint,
        ),
        400 | 422 => quoting(
            ErrorCode::InvalidRequest,
            "モデル提供元がリクエストを受け付けませんでした。内容を修正してください。",
            "Correct the request: the model's vendor didn't accept it.",
            complaint,
        ),
        413 => Problem::new(
            ErrorCode::PayloadTooLarge,
            "リクエストがモデル提供元の上限より大きすぎます。小さくしてください。",
            "The request is larger than the model's vendor allows: make it smaller.",
        ),
        408 | 504 | 524 => timeout(),
        429 if complaint.says(&ACCOUNT_PHRASES) => failed(),
        429 | 503 | 529 => overloaded(retry_after_ms),
        _ => failed(),
    }
}

/// A word of a vendor for our log: short, on one line.
pub(crate) fn short(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(60).collect()
}

/// A problem that quotes the vendor, so that the client can act on it.
fn quoting(code: ErrorCode, japanese: &str, english: &str, complaint: &Complaint) -> Problem {
    let words = complaint.words();
    let quote = if words.is_empty() { String::new() } else { format!(" It says: {words}") };
    let problem = Problem::new(code, japanese, format!("{english}{quote}"));
    let parameter = &complaint.parameter;
    let is_plain = !parameter.is_empty()
        && parameter.len() <= PARAMETER_BYTES_MAX
        && parameter.chars().all(|c| c.is_ascii_graphic() && c != '<');
    if is_plain { problem.at(parameter) } else { problem }
}

/// The vendor is at its limit, or holds us to ours.
fn overloaded(retry_after_ms: Option<u64>) -> Problem {
    let problem = Problem::new(
        ErrorCode::UpstreamOverloaded,
        "モデル提供元が混み合っています。しばらくしてからもう一度お試しください。",
        "The model's vendor is overloaded: try again a little later.",
    );
    match retry_after_ms {
        Some(milliseconds) => problem.retry_after_ms(milliseconds),
        None => problem,
    }
}

/// The vendor failed, or refuses us for a reason that isn't our client's.
pub(crate) fn failed() -> Problem {
    Problem::new(
        ErrorCode::UpstreamError,
        "モデル提供元でエラーが起きました。もう一度試すか、別のモデルを選んでください。",
        "The model's vendor failed: try again, or choose another model.",
    )
}

/// The vendor can't be reached.
pub(crate) fn unreachable() -> Problem {
    Problem::new(
        ErrorCode::UpstreamError,
        "モデル提供元に接続できません。もう一度試すか、別のモデルを選んでください。",
        "The model's vendor can't be reached: try again, or choose another model.",
    )
}

/// The vendor said nothing for too long.
pub(crate) fn timeout() -> Problem {
    Problem::new(
        ErrorCode::UpstreamTimeout,
        "モデル提供元が時間内に応答しませんでした。もう一度お試しください。",
        "The model's vendor didn't answer in time: try again.",
    )
}

/// The vendor's answer isn't what its protocol says.
pub(crate) fn nonsense() -> Problem {
    Problem::new(
        ErrorCode::UpstreamError,
        "モデル提供元の応答を読み取れません。もう一度試すか、別のモデルを選んでください。",
        "The model's vendor answered with something unreadable: try again, or choose another \
         model.",
    )
}

/// The vendor's answer goes on and on beyond the limit that it was told.
pub(crate) fn endless() -> Problem {
    tracing::warn!("the upstream's answer goes on far beyond its limit: it is broken off");
    Problem::new(
        ErrorCode::UpstreamError,
        "モデル提供元の応答が上限を大きく超えて続いたため、打ち切りました。再試行するか、別のモデルを選んでください",
        "the vendor's answer went on far beyond its limit and was broken off: try again, or choose \
         another model",
    )
}

/// The vendor sent what isn't JSON, or not the JSON of its protocol. The error's own text is not
/// logged: it quotes the answer.
pub(crate) fn unreadable(error: serde_json::Error) -> Problem {
    tracing::warn!(
        category = ?error.classify(), line = error.line(), column = error.column(),
        "the upstream's answer is unreadable"
    );
    nonsense()
}

/// The vendor's stream ended before its answer did.
pub(crate) fn cut(has_begun: bool) -> Problem {
    if !has_begun {
        return failed();
    }
    Problem::new(
        ErrorCode::StreamInterrupted,
        "回答の途中でモデル提供元との接続が切れました。もう一度お試しください。",
        "The answer broke off on the vendor's side: try again.",
    )
}

/// We were told to stop.
pub(crate) fn stopped() -> Problem {
    Problem::new(
        ErrorCode::StreamInterrupted,
        "リクエストは取り消されました。",
        "The request was cancelled.",
    )
}

/// The request asks for something that this vendor's protocol can't say.
pub(crate) fn cannot(
    parameter: impl Into<String>,
    japanese: impl AsRef<str>,
    english: impl AsRef<str>,
) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, japanese, english).at(parameter)
}

/// Functions as OpenAI had them before tools: other vendors have no such form.
pub(crate) fn old_function(place: &str) -> Problem {
    cannot(
        place,
        "function 形式は古いため使えません。tool_calls と role: tool を使ってください。",
        "The old function form can't be used with this model: use tool_calls and role: tool.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(message: &str) -> Complaint {
        Complaint { message: message.into(), ..Complaint::default() }
    }

    #[test]
    fn every_status_has_its_code() {
        let table = [
            (400, ErrorCode::InvalidRequest),
            (422, ErrorCode::InvalidRequest),
            (401, ErrorCode::UpstreamError),
            (402, ErrorCode::UpstreamError),
            (403, ErrorCode::UpstreamError),
            (404, ErrorCode::UpstreamError),
            (302, ErrorCode::UpstreamError),
            (408, ErrorCode::UpstreamTimeout),
            (413, ErrorCode::PayloadTooLarge),
            (429, ErrorCode::UpstreamOverloaded),
            (500, ErrorCode::UpstreamError),
            (502, ErrorCode::UpstreamError),
            (503, ErrorCode::UpstreamOverloaded),
            (504, ErrorCode::UpstreamTimeout),
            (529, ErrorCode::UpstreamOverloaded),
        ];
        for (status, code) in table {
            assert_eq!(refused(status, &complaint("x"), None).code, code, "{status}");
        }
    }

    #[test]
    fn html_is_never_quoted_and_long_words_are_cut() {
        let html = refused(400, &complaint("oops <html><body>secret</body></html>"), None);
        assert!(!html.message.contains("secret"), "{}", html.message);
        let long = refused(400, &complaint(&"長".repeat(2000)), None);
        assert_eq!(long.message.matches('長').count(), MESSAGE_CHARACTERS_MAX);
        let lines = refused(400, &complaint("one\r\ntwo\u{0}"), None);
        assert!(!lines.message.chars().any(char::is_control));
    }

    #[test]
    fn our_bill_is_not_our_clients_concern() {
        let low = complaint("Your credit balance is too low to access the API.");
        for status in [400, 402, 429] {
            let problem = refused(status, &low, None);
            assert_eq!(problem.code, ErrorCode::UpstreamError);
            assert!(!problem.message.contains("credit"), "{}", problem.message);
        }
    }
}
