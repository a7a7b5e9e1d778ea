//! What equal questions are: a digest over the account and everything that changes the answer. The
//! account is a required part, so that no answer ever crosses to another one.

use schemas::ids::AccountId;
use schemas::openai::ChatRequest;
use serde_json::json;

/// Changes whenever what is kept, or what the digest covers, changes its meaning.
const VERSION: u32 = 1;

/// The digest of a masked request, as 64 hexadecimal digits. Whether it is streamed doesn't change
/// the answer; which models the key may use can.
pub(crate) fn digest(
    account: &AccountId,
    allowed: Option<&[String]>,
    chat: &ChatRequest,
) -> String {
    let question = ChatRequest { stream: None, stream_options: None, ..chat.clone() };
    let covered = json!([VERSION, account, allowed, question]);
    crate::auth::sha256_hex(covered.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn chat(change: impl FnOnce(&mut Value)) -> ChatRequest {
        let mut body =
            json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "seed": 1});
        change(&mut body);
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn what_changes_the_answer_changes_the_digest() {
        let account = AccountId::parse("acct_a").unwrap();
        let plain = digest(&account, None, &chat(|_| {}));
        assert_eq!(plain, digest(&account, None, &chat(|body| body["stream"] = true.into())));
        let other = AccountId::parse("acct_b").unwrap();
        assert_ne!(plain, digest(&other, None, &chat(|_| {})));
        assert_ne!(plain, digest(&account, Some(&["m".into()]), &chat(|_| {})));
        assert_ne!(plain, digest(&account, None, &chat(|body| body["seed"] = 2.into())));
        assert_ne!(plain, digest(&account, None, &chat(|body| body["unknown"] = 1.into())));
    }
}
