//! Secrets that a label gives away: passwords, keys in headers, settings and code, passwords in
//! URLs. Must never take a variable, a reference to a vault or the label itself.

use super::Recognizers;
use super::rule::{Hit, Rule};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const PATTERNS: [&str; 18] = [
    // A password in a URL; the user's name stays.
    r#"[a-z][a-z0-9+.\-]{1,20}://[^\s:/@"'<>]{0,64}:([^\s/"'<>]{1,128})@[A-Za-z0-9\[]"#,
    r#"(?i)\bcurl\b[^\n]{0,}?\s(?:-u|--user)[ =]["']?[^\s:"']{1,64}:([^\s"']{1,128})"#,
    concat!(
        r#"(?i)(?:authorization|proxy-authorization)["']?\s{0,2}[:=]\s{0,2}["']?(?:bear"#,
        r#"er|basic|token|apikey)\s{1,2}([A-Za-z0-9+/=_.~\-]{8,})"#
    ),
    r#"(?i)\bbearer\s{1,2}([A-Za-z0-9+/=_.~\-]{16,})"#,
    concat!(
        r#"(?i)(?:pass(?:word|wd|phrase)|\bpwd|passcode|パスワード|パスフレーズ|暗証番号|合言葉)["']?(?:は"#,
        r#"|が|を|:|=>|=| is| was)?[ ]?(?:[:=][ ]?)?["'「『]?([!-~]{4,128})"#
    ),
    concat!(
        r#"(?i)(?:api[_\- ]?key|secret(?:[_\-]?key)?|token|(?:access|account)[_\-]?key("#,
        r#"?:[_\-]?id)?|"#,
        r#"private[_\-]?key|client[_\-]?secret|credential|auth[_\-]?key)s?["']?"#,
        r#"[ ]?(?::|=>|=|は|「)[ ]?["'「]?([A-Za-z0-9+/=_.~!@#$%^*\-]{8,})"#
    ),
    r#"(?i)(?:パスワード|password|passphrase)[^\n]{0,40}\n([!-~]{6,64})(?:\n|$)"#,
    r#"(?i)(?:password|passwd|passphrase|secret)["']?\s{0,2}[:=]\s{0,2}"([^"\n]{6,128})""#,
    concat!(
        r#"(?i)\b(?:pw|pass|pin|cvv|cvc|otp)(?: ?(?:code|number|コード|番号))?["']?"#,
        r#"(?: is|は|:|=|→|->|=>)[ ]?["'"#,
        r#"「]?([!-~]{3,64})"#
    ),
    concat!(
        r#"(?i)\b(?:api|access|secret|private|auth|license|encryption)[ _\-]?(?:key|tok"#,
        r#"en)s? (?:is|was) ["'「]?([A-Za-z0-9+/=_.~\-]{8,})"#
    ),
    concat!(
        r#"(?i)(?:(?:verification|confirmation|security|one-?time|login) (?:pass)?code|"#,
        r#"(?:認証|確認|ワンタイム)コード)(?: is|は|:|=)[ ]?["'"「]?([0-9]{4,8})\b"#
    ),
    r#"(?i)\bssid\b[^\n]{0,40}?\b(?:key|pass)(?:[ ]?[:=][ ]?|[ ])([!-~]{6,64})"#,
    // Changed from one to another.
    concat!(
        r#"(?i)(?:パスワード|暗証番号|password)(?:を| from )["'「]?[!-~]{4,64}?["'」]?"#,
        r#"(?:から| to )["'「]?([!-~]{4,64})"#
    ),
    r#"(?i)\bpassword from ["']?([!-~]{4,64}?)["']? to "#,
    // A flag of a program that logs in. Its capital is the port.
    concat!(
        r#"(?i)\b(?:sshpass|(?:docker|podman|registry) login|mysql(?:dump|admin)?|mongo"#,
        r#"(?:sh)?|smbclient|"#,
        r#"rabbitmqadmin)\b[^\n|;]{0,80}?\s(?-i:-p)[ ]?["']?([^\s"']{4,128})"#
    ),
    // The value stands in another attribute: `key="ApiKey" value="…"`.
    concat!(
        r#"(?i)(?:api[_\- ]?key|secret|token|password|access[_\-]?key)["']\s{1,2}value=["']"#,
        r#"([^"'\s]{6,128})"#
    ),
    r#"(?i)\b(?:otp|totp|2fa|mfa)[ _\-]?(?:secret|key|seed|シークレット)[ :=は]{1,3}([A-Z2-7]{16,64})"#,
    r#"(?:秘密鍵|アクセスキー|シークレット|トークン|APIキー|認証キー)(?:は|が|:|=|「| ){1,3}([A-Za-z0-9+/=_.~\-]{8,})"#,
];

/// Without a sign between a label and the value: the value itself has to look like a secret.
const BARE: [&str; 2] = [
    r#"(?i)\b(?:user(?:name)?|login|id|ユーザー?名?)\b[^\n]{1,40}?\b(?:pass|pw|pwd)[ ]([!-~]{6,64})"#,
    // The only argument of what makes a client.
    r#"(?i)(?:client|api|session|connect|authenticate)\(["']([A-Za-z0-9_\-]{32,128})["']\)"#,
];

/// Letters alone are a secret only from this length on.
const SHORTEST_WORD: usize = 8;
/// Small letters and underscores alone are a name in code below this length.
const LONG_WORD: usize = 24;

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    for (index, pattern) in PATTERNS.into_iter().enumerate() {
        // What stands before the host of a URL looks like an e-mail address with it.
        let trust = if index == 0 { Trust::Order } else { Trust::Context };
        let rule = Rule::own(Kind::Secret, trust, pattern)?;
        all.push(Box::new(rule.accept(is_secret)));
    }
    for pattern in BARE {
        let rule = Rule::own(Kind::Secret, Trust::Context, pattern)?;
        all.push(Box::new(rule.accept(|hit| is_secret(hit) && is_jumbled(hit))));
    }
    Ok(())
}

/// Digits with letters of both cases, or with a sign that words don't have.
fn is_jumbled(hit: &Hit) -> bool {
    let has = |test: fn(&u8) -> bool| hit.value().as_bytes().iter().any(test);
    let cases = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    let signs = has(|byte| b"!@#$%^&*?+".contains(byte));
    let parts = hit.value().matches('-').count() > 1;
    (has(u8::is_ascii_digit) && (cases || signs || parts)) || (cases && signs)
}

fn is_secret(hit: &Hit) -> bool {
    let value = hit.value().trim_end_matches(',');
    let reference =
        value.starts_with(['$', '{', '<', '%', '[']) && !value.bytes().any(|b| b.is_ascii_digit());
    let word = value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'.');
    // What stands for a value: stars, MY_SECRET, the host of a URL.
    let stars = value.bytes().all(|byte| matches!(byte, b'*' | b'.' | b'-' | b'_'));
    let constant =
        value.contains('_') && value.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let host = value.strip_prefix('@').is_some_and(|host| {
        host.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'.' | b'-'))
    });
    // Code that reads the value (`os.environ["PW`), the next attribute or setting (`name="pw`).
    let code = is_code(value);
    // Three or four digits, or something with a digit or a sign: `pin: required` is a word.
    let plain = value.bytes().all(|byte| byte.is_ascii_alphabetic());
    let short = (plain && value.len() < SHORTEST_WORD) || (word && value.len() < LONG_WORD);
    !(reference || stars || constant || host || code || short)
}

/// Words, then a bracket or a sign of assignment with what follows in quotes or in small letters.
fn is_code(value: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.' | b'-');
    let length = value.bytes().take_while(|byte| is_word(*byte)).count();
    let (word, rest) = value.split_at(length);
    let quoted = ["[\"", "['", "(\"", "('", "()"].iter().any(|sign| rest.starts_with(sign));
    let called = quoted || (rest.starts_with(['[', '(']) && word.contains(['.', '_']));
    let assigned = rest.strip_prefix('=').is_some_and(|rest| {
        rest.starts_with(['"', '\'']) || rest.bytes().all(|byte| byte.is_ascii_lowercase())
    });
    length > 1 && (called || assigned)
}
