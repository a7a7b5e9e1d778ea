//! What media come as, for all vendors that aren't told an address. It never fetches and never
//! decodes.

/// `data:TYPE;base64,DATA` as its type and its data.
pub(crate) fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let kind = head.strip_suffix(";base64")?;
    Some((kind.split(';').next().unwrap_or(kind), data))
}
