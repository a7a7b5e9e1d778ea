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
        r#"(?i)(?:pass(?:word|wd|phrase)|\bpwd|passcode|パスワード|パスフレーズ|パスコード|暗証番号|合言葉"#,
        r#"|(?:共有|暗号化|セキュリティ)キー)\\?["']?(?:は"#,
        r#"|が|を|:|=>|=| is| was)?[ ]?(?:[:=][ ]?)?\\?["'「『]?([!-~]{4,128})"#
    ),
    concat!(
        r#"(?i)(?:api[_\- ]?key|secret(?:[_\-]?key)?|token|(?:access|account)[_\-]?key("#,
        r#"?:[_\-]?id)?|"#,
        r#"private[_\-]?key|client[_\-]?secret|credential|auth[_\-]?key)s?\\?["']?"#,
        r#"[ ]?(?::|=>|=|は|「)[ ]?\\?["'「]?([A-Za-z0-9+/=_.~!@#$%^*\-]{8,})"#
    ),
    concat!(
        r#"(?i)(?:パスワード|パスコード|暗証番号|(?:認証|確認)コード|password|passphrase|passcode)"#,
        r#"[^\n]{0,40}\n([!-~]{4,64})(?:\n|$)"#
    ),
    r#"(?i)(?:password|passwd|passphrase|secret)["']?\s{0,2}[:=]\s{0,2}"([^"\n]{6,128})""#,
    concat!(
        r#"(?i)\b(?:pw|pass|pin|cvv|cvc|otp)(?: ?(?:code|number|コード|番号))?["']?"#,
        r#"(?: is|は|が|「|:|=|→|->|=>)[ ]?["'"#,
        r#"「]?([0-9]{3}[ \-][0-9]{3}\b|[!-~]{3,64})"#
    ),
    concat!(
        r#"(?i)\b(?:api|access|secret|private|auth|license|encryption)[ _\-]?(?:key|tok"#,
        r#"en)s? (?:is|was) ["'「]?([A-Za-z0-9+/=_.~\-]{8,})"#
    ),
    concat!(
        r#"(?i)(?:(?:verification|confirmation|security|one-?time|login) (?:pass)?code|"#,
        r#"(?:認証|確認|ワンタイム)コード)(?: is|は|が|「|:|=)[ ]?["'"「]?"#,
        r#"([0-9]{3}[ \-][0-9]{3}\b|[0-9]{4,8}\b)"#
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
    // The value stands in another attribute: `key="ApiKey" value="…"`, or in a block behind the
    // name: `"db_password" { default = "…" }`.
    concat!(
        r#"(?i)(?:api[_\- ]?key|secret|token|password|access[_\-]?key)["'](?:\s{1,2}value=|"#,
        r#"\s?\{[^{}]{0,120}?\b(?:default|value)\s{0,8}=\s?)["']([^"'\s]{6,128})"#
    ),
    r#"(?i)\b(?:otp|totp|2fa|mfa)[ _\-]?(?:secret|key|seed|シークレット)[ :=は]{1,3}([A-Z2-7]{16,64})"#,
    r#"(?:秘密鍵|アクセスキー|シークレット|トークン|APIキー|認証キー)(?:は|が|:|=|「| ){1,3}([A-Za-z0-9+/=_.~\-]{8,})"#,
];

/// Without a sign between a label and the value: the value itself has to look like a secret.
const BARE: [&str; 4] = [
    r#"(?i)\b(?:user(?:name)?|login|id|ユーザー?名?)\b[^\n]{1,40}?\b(?:pass|pw|pwd)[ ]([!-~]{6,64})"#,
    // The only argument of what makes a client.
    r#"(?i)(?:client|api|session|connect|authenticate)\(["']([A-Za-z0-9_\-]{32,128})["']\)"#,
    // A user that every machine has, and what opens it: `admin / …`.
    r#"(?i)\b(?:admin(?:istrator)?|root|guest)(?: ?/ | : )([!-~]{6,64})"#,
    r#"(?i)_(?:pass|pw)["']?(?: ?[:=] ?)["']?([!-~]{6,64})"#,
];

/// Letters alone are a secret only from this length on.
const SHORTEST_WORD: usize = 8;
/// Small letters and underscores alone are a name in code below this length.
const LONG_WORD: usize = 24;

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    for (index, pattern) in PATTERNS.into_iter().enumerate() {
        // What stands before the host of a URL looks like an e-mail address with it.
        let trust = if index == 0 { Trust::Order } else { Trust::Context };
        let rule = Rule::own(Kind::Secret, trust, pattern)?.shorten(quoted);
        all.push(Box::new(rule.accept(is_secret)));
    }
    for pattern in BARE {
        let rule = Rule::own(Kind::Secret, Trust::Context, pattern)?.shorten(quoted);
        all.push(Box::new(rule.accept(|hit| is_secret(hit) && is_jumbled(hit))));
    }
    Ok(())
}

/// What stands in quotes ends with them: behind `{"password":"…"}` the brackets are no secret, and
/// whoever reads the masked text needs them. A quote before a letter is one of the value's own.
fn quoted(hit: &Hit) -> usize {
    let value = hit.value();
    let Some(quote) = hit.before().filter(|sign| matches!(sign, '"' | '\'')) else {
        return hit.end;
    };
    let ends = |at: &usize| {
        let next = value.get(at + 1..).and_then(|rest| rest.chars().next()).or(hit.after());
        next.is_none_or(|next| next.is_whitespace() || ",;:)]}>\"'\\".contains(next))
    };
    let end = value.match_indices(quote).map(|(at, _)| at).find(ends);
    let value = end.and_then(|end| value.get(..end)).unwrap_or(value);
    let escaped = end.is_some() && value.ends_with('\\');
    hit.start + value.len() - usize::from(escaped)
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
    // Behind a word in code (`"password required");`) stand signs that end more than the word.
    let value = hit.value().trim_end_matches([',', ';', ')', '"', '\'', '}', ']']);
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
    length > 1 && (called || assigned || is_path(word, rest))
}

/// `process.env.API_KEY`, `config.smtp.password`: words joined by dots, and no digit in them.
fn is_path(word: &str, rest: &str) -> bool {
    const WORD_BYTES_MAX: usize = 24;
    let mut words = word.split('.');
    let is_name = |word: &str| (2..=WORD_BYTES_MAX).contains(&word.len());
    rest.is_empty() && word.contains('.') && words.all(|word| is_name(word) && !word.contains('-'))
}

#[cfg(test)]
mod tests {
    use super::super::Digits;
    use super::{Recognizers, add};

    fn found(text: &str) -> Vec<&str> {
        let mut all = Recognizers::new();
        add(&mut all).unwrap();
        let (digits, mut findings) = (Digits::of(text), Vec::new());
        all.iter().for_each(|rule| rule.find(text, &digits, &mut findings));
        let mut values: Vec<_> = findings.iter().map(|f| &text[f.start..f.end]).collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    #[test]
    fn a_value_in_quotes_ends_with_them() {
        assert_eq!(found(r#"{"a":{"pass":"B1rch!44"}}"#), ["B1rch!44"]);
        assert_eq!(found(r#"-d '{"password":"B1rch!44"}'"#), ["B1rch!44"]);
        assert_eq!(found(r#"{\"password\":\"B1rch!44\"}"#), ["B1rch!44"]);
        assert_eq!(found(r#"password: "pa"ss!9""#), [r#"pa"ss!9"#]);
        assert_eq!(found(r#"Password: pa"ss\w0rd!9"#), [r#"pa"ss\w0rd!9"#]);
    }

    #[test]
    fn labels_of_all_kinds_of_codes() {
        assert_eq!(found("パスコード: t4Rq9z"), ["t4Rq9z"]);
        assert_eq!(found("PINコード「204815」"), ["204815"]);
        assert_eq!(found("暗証番号を4桁でどうぞ\n5830"), ["5830"]);
        assert_eq!(found("事前共有キーは q7-Lm22-xx です"), ["q7-Lm22-xx"]);
        assert_eq!(found("the otp is 204 815, thanks"), ["204 815"]);
        assert_eq!(found("DB_PASS='Fern$81_x'"), ["Fern$81_x"]);
        assert_eq!(found("login admin / Fern#81x"), ["Fern#81x"]);
        assert_eq!(found(r#"variable "db_password" { default = "Fern81xx" }"#), ["Fern81xx"]);
    }

    #[test]
    fn code_that_reads_a_secret_holds_none() {
        assert!(found("const API_KEY = process.env.API_KEY;").is_empty());
        assert!(found(r#"throw new Error("password required");"#).is_empty());
        assert!(found("password = settings.smtp.password").is_empty());
        assert!(found("cd root/Desktop2/x && ls admin/Users2").is_empty());
    }
}
