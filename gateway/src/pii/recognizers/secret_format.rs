//! Secrets that their own format gives away: the tokens of services, private keys, signed tokens.
//! Must never take a hash, an identifier or a word.

use super::Recognizers;
use super::rule::Rule;
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const PRIVATE_KEY: &str = concat!(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s:,.\\\-]",
    r"+?-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
);
const SIGNED_TOKEN: &str = r"\bey[A-Za-z0-9_\-]{10,}\.ey[A-Za-z0-9_\-]{4,}(?:\.[A-Za-z0-9_\-]*)?";

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    for pattern in [PRIVATE_KEY, SIGNED_TOKEN] {
        all.push(Box::new(Rule::new(Kind::Secret, Trust::Proof, pattern)?));
    }
    let tokens = format!(r"\b(?:{})", TOKENS.join("|"));
    all.push(Box::new(Rule::new(Kind::Secret, Trust::Proof, &tokens)?));
    Ok(())
}

/// One entry for each format, by the prefix that its service documents.
const TOKENS: [&str; 12] = [
    r"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}\b",
    r"gh[pousr]_[A-Za-z0-9]{30,}",
    r"github_pat_[A-Za-z0-9_]{40,}",
    r"gl[a-z]{2,7}-[A-Za-z0-9_=.\-]{16,}",
    r"xox[a-z]-[A-Za-z0-9\-]{10,}",
    r"xapp-[0-9]-[A-Za-z0-9\-]{10,}",
    r"(?:sk|rk|pk)_(?:live|test|prod)_[A-Za-z0-9]{10,}",
    r"sk-[A-Za-z0-9_\-]{20,}",
    r"AIza[A-Za-z0-9_\-]{30,60}",
    r"npm_[A-Za-z0-9]{30,60}",
    r"pypi-[A-Za-z0-9_\-]{16,}",
    r"SG\.[A-Za-z0-9_=\-.]{20,100}",
];
