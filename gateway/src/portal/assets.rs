//! The style and the script of all pages, inside the binary. Their addresses change with their
//! text, so that browsers may keep them for ever.

use super::asked::Query;
use crate::auth::sha256_hex;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::LazyLock;

const STYLE: &str = concat!(include_str!("assets/style.css"), include_str!("assets/rooms.css"),);
const SCRIPT: &str = include_str!("assets/script.js");
const ICON: &str = include_str!("assets/icon.svg");

/// Where the icon is.
pub(crate) const ICON_PATH: &str = "/assets/icon.svg";

static STYLE_PATH: LazyLock<String> = LazyLock::new(|| versioned("/assets/style.css", STYLE));
static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| versioned("/assets/script.js", SCRIPT));

/// Where the style is.
pub(crate) fn style_path() -> &'static str {
    &STYLE_PATH
}

/// Where the script is.
pub(crate) fn script_path() -> &'static str {
    &SCRIPT_PATH
}

fn versioned(path: &str, text: &str) -> String {
    let digest = sha256_hex(text.as_bytes());
    format!("{path}?v={}", digest.get(..12).unwrap_or_default())
}

/// Which text a page wants.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    v: Option<String>,
}

/// The style of all pages.
pub(crate) async fn style(Query(wanted): Query<Wanted>) -> Response {
    told("text/css; charset=utf-8", STYLE, wanted.v.is_some())
}

/// The script of all pages.
pub(crate) async fn script(Query(wanted): Query<Wanted>) -> Response {
    told("text/javascript; charset=utf-8", SCRIPT, wanted.v.is_some())
}

/// The icon.
pub(crate) async fn icon() -> Response {
    told("image/svg+xml", ICON, false)
}

fn told(kind: &'static str, text: &'static str, is_versioned: bool) -> Response {
    let kept = if is_versioned { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(kept)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, text).into_response()
}
