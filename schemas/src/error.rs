//! One closed list of errors for all borders: HTTP status, OpenAI type and code, whether a retry
//! can help, and the label in metrics. A problem's text is for the client; causes stay in logs.

use serde::{Deserialize, Serialize};

/// Everything that can go wrong with a request, as its client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request isn't what the API takes.
    InvalidRequest,
    /// The prompt doesn't fit the model's context.
    ContextLengthExceeded,
    /// A policy, ours or the vendor's, refuses what the request contains.
    ContentBlocked,
    /// The conversation that the request goes on from isn't kept.
    PreviousResponseNotFound,
    /// No key, or a wrong, expired or deleted one; or its account has expired.
    InvalidApiKey,
    /// The key may not do that.
    PermissionDenied,
    /// No such path, or nothing of that name: no such key, account, response or receipt.
    NotFound,
    /// No such model, or nobody serves it.
    ModelNotFound,
    /// The path knows another method.
    MethodNotAllowed,
    /// What it asks for is done or used up, or its `Idempotency-Key` is another request's.
    Conflict,
    /// Body, text or number of pieces is larger than allowed here or at the vendor.
    PayloadTooLarge,
    /// The body isn't JSON by its own word, or is packed otherwise than with gzip.
    UnsupportedMediaType,
    /// Too many requests or tokens in a minute, or requests at once, for this key or account.
    RateLimitExceeded,
    /// The credit or a budget doesn't cover the most that the request may cost.
    InsufficientQuota,
    /// Too many requests wait for their turn, or the wait would be too long.
    QueueFull,
    /// No worker that could serve the model is free in time, or none answers.
    NoWorker,
    /// Something that the request needs, such as the ledger, Redis or the queue, can't be
    /// reached or has no room.
    ServiceUnavailable,
    /// The upstream answered with an error or with nonsense, or can't be reached.
    UpstreamError,
    /// The upstream is overloaded or limits us.
    UpstreamOverloaded,
    /// The upstream didn't answer in time.
    UpstreamTimeout,
    /// The request's own time is over.
    DeadlineExceeded,
    /// The answer broke off after it had begun.
    StreamInterrupted,
    /// Our own mistake.
    Internal,
}

impl ErrorCode {
    /// Every code, for tables and tests.
    pub const ALL: [Self; 23] = [
        Self::InvalidRequest,
        Self::ContextLengthExceeded,
        Self::ContentBlocked,
        Self::PreviousResponseNotFound,
        Self::InvalidApiKey,
        Self::PermissionDenied,
        Self::NotFound,
        Self::ModelNotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::RateLimitExceeded,
        Self::InsufficientQuota,
        Self::QueueFull,
        Self::NoWorker,
        Self::ServiceUnavailable,
        Self::UpstreamError,
        Self::UpstreamOverloaded,
        Self::UpstreamTimeout,
        Self::DeadlineExceeded,
        Self::StreamInterrupted,
        Self::Internal,
    ];

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidRequest
            | Self::ContextLengthExceeded
            | Self::ContentBlocked
            | Self::PreviousResponseNotFound => 400,
            Self::InvalidApiKey => 401,
            Self::PermissionDenied => 403,
            Self::NotFound | Self::ModelNotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 409,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::RateLimitExceeded | Self::InsufficientQuota => 429,
            Self::Internal => 500,
            Self::UpstreamError | Self::StreamInterrupted => 502,
            Self::QueueFull
            | Self::NoWorker
            | Self::ServiceUnavailable
            | Self::UpstreamOverloaded => 503,
            Self::UpstreamTimeout | Self::DeadlineExceeded => 504,
        }
    }

    /// OpenAI's `error.type`.
    pub fn openai_type(self) -> &'static str {
        match self {
            Self::InsufficientQuota => "insufficient_quota",
            Self::RateLimitExceeded => "rate_limit_error",
            code if code.status() < 500 => "invalid_request_error",
            _ => "server_error",
        }
    }

    /// OpenAI's `error.code`: always a string, because an integer breaks some clients' parsers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::ContextLengthExceeded => "context_length_exceeded",
            Self::ContentBlocked => "content_blocked",
            Self::PreviousResponseNotFound => "previous_response_not_found",
            Self::InvalidApiKey => "invalid_api_key",
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::ModelNotFound => "model_not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict => "conflict",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::RateLimitExceeded => "rate_limit_exceeded",
            Self::InsufficientQuota => "insufficient_quota",
            Self::QueueFull => "queue_full",
            Self::NoWorker => "no_worker",
            Self::ServiceUnavailable => "service_unavailable",
            Self::UpstreamError => "upstream_error",
            Self::UpstreamOverloaded => "upstream_overloaded",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::StreamInterrupted => "stream_interrupted",
            Self::Internal => "internal_error",
        }
    }

    /// Whether the same request may succeed a little later. SDKs retry every 429 and 5xx unless
    /// `x-should-retry: false` says otherwise.
    pub fn retry_helps(self) -> bool {
        matches!(
            self,
            Self::RateLimitExceeded
                | Self::QueueFull
                | Self::NoWorker
                | Self::ServiceUnavailable
                | Self::UpstreamError
                | Self::UpstreamOverloaded
                | Self::UpstreamTimeout
        )
    }

    /// Whether another candidate may do better, before the first token.
    pub fn another_candidate_may_help(self) -> bool {
        self.retry_helps() && !matches!(self, Self::RateLimitExceeded | Self::ServiceUnavailable)
    }
}

/// A problem as its client is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Problem {
    /// Which one.
    pub code: ErrorCode,
    /// What to do, Japanese first, then English.
    pub message: String,
    /// Which field of the request, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// When a retry may help, in milliseconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// Between the two languages of a hint.
const BORDER: &str = " / ";

impl Problem {
    /// A problem with its hint in both languages.
    pub fn new(code: ErrorCode, japanese: impl AsRef<str>, english: impl AsRef<str>) -> Self {
        let message = [japanese.as_ref(), BORDER, english.as_ref()].concat();
        Self { code, message, parameter: None, retry_after_ms: None }
    }

    /// What to do, in one language alone. Whatever of the request is told stands in both halves, so
    /// the middle is where they meet.
    pub fn half(&self, in_japanese: bool) -> &str {
        let borders: Vec<usize> = self.message.match_indices(BORDER).map(|(at, _)| at).collect();
        let middle = borders.get(borders.len() / 2).filter(|_| borders.len() % 2 == 1);
        let parts = middle.and_then(|at| {
            Some((self.message.get(..*at)?, self.message.get(at + BORDER.len()..)?))
        });
        match parts {
            Some((japanese, _)) if in_japanese => japanese,
            Some((_, english)) => english,
            None => &self.message,
        }
    }

    /// Names the field at fault, such as `messages[0].role`.
    #[must_use]
    pub fn at(mut self, parameter: impl Into<String>) -> Self {
        self.parameter = Some(parameter.into());
        self
    }

    /// Says when a retry may help.
    #[must_use]
    pub fn retry_after_ms(mut self, milliseconds: u64) -> Self {
        self.retry_after_ms = Some(milliseconds);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_hint_is_told_in_one_language() {
        let problem = Problem::new(ErrorCode::NotFound, "「a / b」はありません", "No 'a / b'");
        assert_eq!(
            (problem.half(true), problem.half(false)),
            ("「a / b」はありません", "No 'a / b'")
        );
        let other = Problem { message: "as it came / one / more".into(), ..problem };
        assert_eq!(other.half(true), other.message, "nobody knows which half is which");
    }

    #[test]
    fn every_code_has_its_own_name_and_a_fitting_type() {
        let names: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert_eq!(code.status() >= 500, code.openai_type() == "server_error", "{code:?}");
        }
        assert!(!ErrorCode::InsufficientQuota.retry_helps());
    }
}
