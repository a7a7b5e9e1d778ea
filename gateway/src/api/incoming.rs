//! What comes in: a bounded body, JSON with the field at fault named, and the secret of whoever
//! sends it. A body is never logged.

use super::structure;
use crate::auth;
use crate::cache::Wishes;
use crate::heavy;
use crate::state::Gateway;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use infra::config::DropParams;
use infra::runtime::long_work;
use infra::secret::Secret;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::AccountId;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How long a body may take to arrive.
pub(crate) const BODY_SECONDS_MAX: Duration = Duration::from_secs(60);

/// Longest secret looked at, in bytes.
const SECRET_BYTES_MAX: usize = 512;

/// What the client wants of fields that the model can't honour.
const X_FLY_DROP_PARAMS: &str = "x-fly-drop-params";

/// Spells the encoding that we can unpack as what unpacks it wants: names of encodings have no
/// case, and one has an old name (RFC 9110, 8.4.1).
pub(super) fn spell_encoding(mut request: Request) -> Request {
    if let Some(encoding) = request.headers_mut().get_mut(header::CONTENT_ENCODING) {
        let name = encoding.as_bytes().trim_ascii();
        if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") {
            *encoding = HeaderValue::from_static("gzip");
        }
    }
    request
}

/// Refuses a body that is packed in a way we can't unpack: what we can was unpacked before, and
/// isn't named any more. Of two headers the first counts; what was packed twice is no JSON then.
/// The size is limited unpacked.
pub(super) fn is_unpacked(headers: &HeaderMap) -> Result<(), Problem> {
    let is_plain = |encoding: &HeaderValue| encoding.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).iter().all(is_plain) {
        return Ok(());
    }
    Err(Problem::new(
        ErrorCode::UnsupportedMediaType,
        "Content-Encoding は gzip だけに対応しています。",
        "Of Content-Encoding only gzip is known.",
    ))
}

/// Reads a body up to the configured size.
pub(crate) async fn body(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: Body,
) -> Result<Bytes, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_none_or(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json")
    });
    if !is_json {
        return Err(Problem::new(
            ErrorCode::UnsupportedMediaType,
            "Content-Type: application/json で送ってください。",
            "Send the body as Content-Type: application/json.",
        ));
    }
    read(gateway, body).await
}

/// The same, whatever its kind.
pub(super) async fn read(gateway: &Gateway, body: Body) -> Result<Bytes, Problem> {
    let bytes_max = gateway.config.gateway.body_bytes_max;
    let arrived = tokio::time::timeout(BODY_SECONDS_MAX, axum::body::to_bytes(body, bytes_max));
    let arrived = arrived.await.map_err(|_| {
        Problem::new(
            ErrorCode::InvalidRequest,
            "本文が時間内に届きませんでした。",
            "The body did not arrive in time.",
        )
    })?;
    arrived.map_err(|error| {
        use std::error::Error;
        let too_large =
            error.source().is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>());
        if too_large {
            return Problem::new(
                ErrorCode::PayloadTooLarge,
                format!("本文が大きすぎます（上限 {bytes_max} バイト）。"),
                format!("The body is too large (limit {bytes_max} bytes)."),
            );
        }
        Problem::new(
            ErrorCode::InvalidRequest,
            "本文を最後まで受け取れませんでした。",
            "The body did not arrive whole.",
        )
    })
}

/// Reads JSON; a mistake names its place. A large body is looked at first, and read while other
/// tasks of its thread go on.
pub(crate) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if !heavy::is_heavy(body.len() as u64) {
        return parse(body);
    }
    long_work(|| structure::check(body).and_then(|()| parse(body)))
}

/// The same for who may send much: a large body waits for room. The operator is no account.
pub(crate) async fn json_with_room<T: DeserializeOwned>(
    gateway: &Gateway,
    account: Option<&AccountId>,
    body: &[u8],
) -> Result<T, Problem> {
    let _room = gateway.heavy.room(account, body.len() as u64, &gateway.metrics).await?;
    json(body)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    // The slower reader only runs when there is something to explain.
    let reader = &mut serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut *reader);
    let value = read.map_err(|error| {
        let problem = unreadable(error.inner());
        match place(error.path()) {
            place if place.is_empty() => problem,
            place => problem.at(place),
        }
    })?;
    // It stops where the value does: what follows is for this to see.
    reader.end().map_err(|error| unreadable(&error))?;
    Ok(value)
}

fn unreadable(error: &serde_json::Error) -> Problem {
    let cause: String = error.to_string().chars().take(300).collect();
    Problem::new(
        ErrorCode::InvalidRequest,
        format!("JSON を読めません: {cause}"),
        format!("The JSON body can't be read: {cause}."),
    )
}

/// Where reading stopped, as far as it is known: inside of what is broken no field has a name.
fn place(path: &serde_path_to_error::Path) -> String {
    let mut place = String::new();
    for segment in path.iter().take_while(|segment| !matches!(segment, Segment::Unknown)) {
        if !place.is_empty() && !matches!(segment, Segment::Seq { .. }) {
            place.push('.');
        }
        place.push_str(&segment.to_string());
    }
    place
}

/// The secret of `Authorization: Bearer …`, or of `x-api-key`.
pub(crate) fn secret(headers: &HeaderMap) -> Option<String> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer =
        bearer.and_then(|value| value.trim().split_once(' ')).and_then(|(scheme, secret)| {
            scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim().to_owned())
        });
    let plain = headers.get("x-api-key").and_then(|value| value.to_str().ok());
    let secret = bearer.or_else(|| plain.map(|secret| secret.trim().to_owned()))?;
    (!secret.is_empty() && secret.len() <= SECRET_BYTES_MAX).then_some(secret)
}

/// What `Cache-Control` says of kept answers.
pub(crate) fn cache_wishes(headers: &HeaderMap) -> Wishes {
    let mut wishes = Wishes::default();
    for value in headers.get_all(header::CACHE_CONTROL) {
        wishes.control(value.to_str().unwrap_or_default());
    }
    wishes
}

/// What the client wants of fields that the model can't honour.
///
/// # Errors
/// When the header says something else than it may.
pub(crate) fn drop_params(headers: &HeaderMap) -> Result<Option<DropParams>, Problem> {
    let Some(said) = headers.get(X_FLY_DROP_PARAMS) else { return Ok(None) };
    match said.to_str().map(|said| said.trim().to_ascii_lowercase()).as_deref() {
        Ok("never" | "false") => Ok(Some(DropParams::Never)),
        Ok("hints") => Ok(Some(DropParams::Hints)),
        Ok("all" | "true") => Ok(Some(DropParams::All)),
        _ => Err(Problem::new(
            ErrorCode::InvalidRequest,
            format!("{X_FLY_DROP_PARAMS} には never、hints、all のどれかを指定してください。"),
            format!("Write never, hints or all into {X_FLY_DROP_PARAMS}."),
        )
        .at(X_FLY_DROP_PARAMS)),
    }
}

/// Whether the operator sends it. Digests are compared, so that the time taken tells nothing.
pub(crate) fn is_admin(admin_key: Option<&Secret>, headers: &HeaderMap) -> bool {
    let (Some(expected), Some(given)) = (admin_key, secret(headers)) else { return false };
    Sha256::digest(expected.reveal()) == Sha256::digest(given)
}

/// Refuses everybody but the operator.
pub(crate) fn require_admin(gateway: &Gateway, headers: &HeaderMap) -> Result<(), Problem> {
    if is_admin(gateway.admin_key.as_ref(), headers) {
        return Ok(());
    }
    let known = auth::open(gateway, secret(headers).as_deref()).is_ok();
    let (code, japanese, english) = match known {
        true => (
            ErrorCode::PermissionDenied,
            "管理キー（ADMIN_API_KEY）が必要です。",
            "The admin key (ADMIN_API_KEY) is needed.",
        ),
        false => (
            ErrorCode::InvalidApiKey,
            "管理キーが正しくありません。Authorization: Bearer <ADMIN_API_KEY> を付けてください。",
            "The admin key is missing or wrong. Add Authorization: Bearer <ADMIN_API_KEY>.",
        ),
    };
    Err(Problem::new(code, japanese, english))
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::openai::ChatRequest;

    #[test]
    fn secrets_come_in_both_headers_and_any_case() {
        let mut headers = HeaderMap::new();
        assert_eq!(secret(&headers), None);
        headers.insert("x-api-key", HeaderValue::from_static("k"));
        assert_eq!(secret(&headers).as_deref(), Some("k"));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("bearer  s "));
        assert_eq!(secret(&headers).as_deref(), Some("s"));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic x"));
        assert_eq!(secret(&headers).as_deref(), Some("k"));
    }

    #[test]
    fn mistakes_in_json_name_their_place() {
        let read = |text: &str| json::<ChatRequest>(text.as_bytes()).unwrap_err();
        let wrong_role = r#"{"model":"m","messages":[{"role":"robot","content":"x"}]}"#;
        assert_eq!(read(wrong_role).parameter.as_deref(), Some("messages[0].role"));
        for broken in ["[1,2]", "", "{", "{bad", "{\"model\":\"m\",x}"] {
            let problem = read(broken);
            assert_eq!((problem.code, problem.parameter), (ErrorCode::InvalidRequest, None));
        }
        let broken_inside = r#"{"model":"m","messages":[{"role":"user",x}]}"#;
        assert_eq!(read(broken_inside).parameter.as_deref(), Some("messages[0]"));
    }

    #[test]
    fn nothing_may_follow_the_json_but_space() {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
        let read = |after: &str| json::<ChatRequest>(format!("{body}{after}").as_bytes());
        assert!(read(" \r\n\t").is_ok());
        for after in [" garbage", "}", body, "\0", ",", " 1"] {
            let problem = read(after).unwrap_err();
            assert_eq!((problem.code, problem.parameter), (ErrorCode::InvalidRequest, None));
        }
        assert!(json::<ChatRequest>(br#"{"model":"m","model":"n","messages":[]}"#).is_err());
    }
}
