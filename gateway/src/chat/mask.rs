//! Personal data → placeholders, before anything leaves this process. The vault that maps them back
//! stays in this process with the request; when masking fails the request fails.

use super::admit::Admitted;
use crate::pii::{MaskError, Vault};
use crate::state::Gateway;
use infra::config::{Privacy, PrivacyMode};
use schemas::error::{ErrorCode, Problem};
use schemas::openai::{ChatRequest, TOKENS};

/// A request without personal data.
pub(super) struct Masked {
    pub(super) admitted: Admitted,
    /// Only models of our own may see it.
    pub(super) local_only: bool,
}

/// Masks; the vault can restore what was found.
pub(super) fn mask(gateway: &Gateway, mut admitted: Admitted) -> Result<(Masked, Vault), Problem> {
    let chat = &mut admitted.authenticated.received.chat;
    if !sees_everything(chat) && !masks_nothing(&gateway.config.privacy) {
        return Err(unreadable());
    }
    let vault = gateway.masker.mask(chat).map_err(|error| match error {
        MaskError::Blocked(kinds) => {
            let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
            let names = names.join(", ");
            Problem::new(
                ErrorCode::ContentBlocked,
                format!(
                    "個人情報 ({names}) が含まれているため受け付けません。取り除いてください。"
                ),
                format!(
                    "The request holds personal data ({names}), which is not accepted. Remove it."
                ),
            )
        }
        other => {
            tracing::error!(error = %other, "masking failed; the request is refused");
            Problem::new(
                ErrorCode::Internal,
                "個人情報の検査に失敗したため、送信しませんでした。",
                "Personal data could not be checked for, so nothing was sent.",
            )
        }
    })?;
    for (kind, count) in vault.counts() {
        let counter = gateway.metrics.masked_total.with_label_values(&[kind.as_str()]);
        counter.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }
    Ok((Masked { admitted, local_only: vault.is_local_only() }, vault))
}

/// Whether all that is said stands there as text. Token numbers would carry personal data past us.
fn sees_everything(chat: &ChatRequest) -> bool {
    let mut contents = chat.messages.iter().filter_map(|message| message.content.as_ref());
    !contents.any(|content| content.parts().iter().any(|part| part.kind == TOKENS))
}

/// Whether the operator wants personal data left where it is, of every kind.
fn masks_nothing(privacy: &Privacy) -> bool {
    privacy.mode == PrivacyMode::Off && privacy.kinds.is_empty() && privacy.patterns.is_empty()
}

fn unreadable() -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        "トークン番号の入力は個人情報を検査できません。文字列で送ってください (LangChain では \
         check_embedding_ctx_length=False)。",
        "Token numbers can't be looked through for personal data: send texts (in LangChain \
         check_embedding_ctx_length=False).",
    )
    .at("input")
}
