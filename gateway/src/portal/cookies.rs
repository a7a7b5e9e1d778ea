//! Cookies: found, set and taken away. None is ever readable by a script, and none leaves with a
//! request that another site begins, but for a plain visit.

use axum::http::{HeaderMap, HeaderValue, header};

/// The value of a cookie.
pub(crate) fn find(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    let pairs = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

/// Whether the browser came through TLS, as the proxy before us says.
pub(crate) fn is_secure(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|value| value == "https")
}

/// A `set-cookie` line for so many seconds; none takes the cookie away. `value` holds no character
/// that a cookie may not hold.
pub(crate) fn set(
    headers: &HeaderMap,
    (name, path): (&str, &str),
    value: &str,
    seconds: u64,
) -> HeaderValue {
    let secure = if is_secure(headers) { "; Secure" } else { "" };
    let line =
        format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&line).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("xa=1; a=2==; b="));
        headers.append(header::COOKIE, HeaderValue::from_static("c=3"));
        let found = |name: &str| find(&headers, name);
        assert_eq!(found("a").as_deref(), Some("2=="));
        assert_eq!(found("b").as_deref(), Some(""));
        assert_eq!(found("c").as_deref(), Some("3"));
        assert_eq!(found("x"), None);
    }

    #[test]
    fn behind_tls_a_cookie_stays_there() {
        let mut headers = HeaderMap::new();
        let line =
            |headers: &HeaderMap| set(headers, ("n", "/"), "v", 5).to_str().unwrap().to_owned();
        assert_eq!(line(&headers), "n=v; Path=/; Max-Age=5; HttpOnly; SameSite=Lax");
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        assert!(line(&headers).ends_with("; Secure"));
    }
}
