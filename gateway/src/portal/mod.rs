//! Pages for people: HTML in Japanese and English, without a script. Whatever is put into a page is
//! escaped here. A page must never be kept by a browser or a proxy: it may show a secret.

/// After Stripe's page.
pub(crate) mod checkout;

/// One purchase, to print.
pub(crate) mod receipt;

/// A month, to print.
pub(crate) mod statement;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What all pages look like.
const STYLE: &str = include_str!("style.css");

/// Where the style is.
pub(crate) const STYLE_PATH: &str = "/assets/style.css";

/// Nothing but our own style; no script, no frame, no form to elsewhere.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'",
);

/// The language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// Japanese.
    Japanese,
    /// English.
    English,
}

impl Language {
    /// What the browser would rather read; Japanese when it doesn't say.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let mut best = (0.0, Self::Japanese);
        for (place, wish) in accepted.unwrap_or("ja").split(',').enumerate() {
            let (tag, rest) = wish.split_once(';').unwrap_or((wish, ""));
            let weight = rest.trim().strip_prefix("q=").and_then(|q| q.parse::<f64>().ok());
            // Of equal wishes the first counts.
            let weight = weight.unwrap_or(1.0) - place as f64 * 1e-6;
            let language = match tag.trim().get(..2).map(str::to_ascii_lowercase).as_deref() {
                Some("ja") => Self::Japanese,
                Some("en") => Self::English,
                _ => continue,
            };
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }

    /// The text in this language.
    pub(crate) fn pick<'a>(self, japanese: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Japanese => japanese,
            Self::English => english,
        }
    }

    fn code(self) -> &'static str {
        self.pick("ja", "en")
    }
}

/// Text inside of HTML, also inside of an attribute in double quotes.
pub(crate) fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, character| {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
        escaped
    })
}

/// A whole page; `body` is HTML, `title` is text.
pub(crate) fn page(status: StatusCode, language: Language, title: &str, body: &str) -> Response {
    let (code, title) = (language.code(), escape(title));
    let html = format!(
        "<!doctype html>\n<html lang=\"{code}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} – Fly-LLM</title>\n<link rel=\"stylesheet\" href=\"{STYLE_PATH}\">\n\
         </head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, html).into_response()
}

/// Below what is made for paper; it isn't printed itself.
pub(crate) fn print_hint(language: Language) -> String {
    let told = language.pick(
        "ブラウザーの印刷機能で PDF に保存できます。",
        "Print it, or keep it as a PDF, from the browser's menu.",
    );
    format!("<p class=\"soft screen-only\">{told}</p>\n")
}

/// The style of all pages.
pub(crate) async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
    ];
    (headers, STYLE).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_says_which_language() {
        let of = |wish: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(wish));
            Language::of(&headers)
        };
        assert_eq!(Language::of(&HeaderMap::new()), Language::Japanese);
        assert_eq!(of("en-US,en;q=0.9,ja;q=0.8"), Language::English);
        assert_eq!(of("fr, ja;q=0.7, en;q=0.3"), Language::Japanese);
        assert_eq!(of("en;q=0.2, ja"), Language::Japanese);
        assert_eq!(of("de"), Language::Japanese);
    }

    #[test]
    fn text_stays_text() {
        let title = "<script>alert(\"1\")</script>&'";
        let escaped = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;";
        assert_eq!(escape(title), escaped);
    }
}
