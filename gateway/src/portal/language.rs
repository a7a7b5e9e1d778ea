//! The language of a page: what its reader chose, else what the browser asks for, else Japanese.

use super::cookies;
use axum::http::{HeaderMap, header};

/// The cookie of a reader's choice.
pub(crate) const LANGUAGE_COOKIE: &str = "fly_language";

/// The language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// Japanese.
    Japanese,
    /// English.
    English,
}

impl Language {
    /// The reader's choice, or what the browser would rather read; Japanese when neither says.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let chosen = cookies::find(headers, LANGUAGE_COOKIE).and_then(|code| Self::parse(&code));
        chosen.unwrap_or_else(|| Self::accepted(headers))
    }

    /// Reads `ja` or `en`.
    pub(crate) fn parse(code: &str) -> Option<Self> {
        match code {
            "ja" => Some(Self::Japanese),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    fn accepted(headers: &HeaderMap) -> Self {
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

    /// As HTML and cookies name it.
    pub(crate) fn code(self) -> &'static str {
        self.pick("ja", "en")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

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
    fn the_reader_has_the_last_word() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("ja"));
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; fly_language=en"));
        assert_eq!(Language::of(&headers), Language::English);
        headers.insert(header::COOKIE, HeaderValue::from_static("fly_language=<script>"));
        assert_eq!(Language::of(&headers), Language::Japanese);
    }
}
