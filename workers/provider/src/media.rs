//! What media come as, for all vendors that aren't told an address. It never fetches and never
//! decodes.

/// `data:TYPE;base64,DATA` as its type and its data. The type's name has no case: it is told in
/// small letters.
pub(crate) fn data_url(url: &str) -> Option<(String, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    let (head, data) = rest.split_once(',')?;
    let (kind, encoding) = head.rsplit_once(';')?;
    let is_data = scheme.eq_ignore_ascii_case("data") && encoding.eq_ignore_ascii_case("base64");
    let kind = kind.split(';').next().unwrap_or(kind);
    is_data.then(|| (kind.trim().to_ascii_lowercase(), data))
}

#[cfg(test)]
mod tests {
    use super::data_url;

    #[test]
    fn a_type_has_no_case() {
        for url in [
            "data:image/png;base64,AbC",
            "DATA:image/PNG;BASE64,AbC",
            "data:Image/Png;a=b;base64,AbC",
        ] {
            assert_eq!(data_url(url), Some(("image/png".to_owned(), "AbC")), "{url}");
        }
        for url in ["https://h/a;base64,b", "data:image/png,AbC", "data:text/plain;a,b", "x", ""] {
            assert_eq!(data_url(url), None, "{url}");
        }
    }
}
