//! Personal data → placeholders, before anything leaves this process. The vault that maps them back
//! stays in this process with the request; when masking fails the request fails.

use super::admit::Admitted;
use crate::guards;
use crate::pii::{MaskError, REQUEST_TEXT_BYTES_MAX, Vault};
use crate::portal::{Language, kind_name};
use crate::state::Gateway;
use schemas::error::{ErrorCode, Problem};
use schemas::job::JobKind;
use schemas::openai::{ChatRequest, TOKENS};

/// A request without personal data.
pub(super) struct Masked {
    pub(super) admitted: Admitted,
    /// Only models of our own may see it.
    pub(super) local_only: bool,
}

/// Masks; the vault can restore what was found.
pub(super) fn mask(gateway: &Gateway, mut admitted: Admitted) -> Result<(Masked, Vault), Problem> {
    let key = &admitted.authenticated.key;
    let mut masker = gateway.masker.for_key(key.account.as_str(), key.privacy.as_ref());
    // Vectors of one request are compared with those of others.
    if admitted.authenticated.received.kind == JobKind::Embeddings {
        masker = masker.lasting();
    }
    let chat = &mut admitted.authenticated.received.chat;
    if let Some(rule) = guards::broken(&gateway.config.guards, chat) {
        gateway.metrics.blocked_total.with_label_values(&[rule]).inc();
        return Err(guards::refusal(rule));
    }
    if !sees_everything(chat) && !masker.is_off() {
        return Err(unreadable());
    }
    let vault = masker.mask(chat).map_err(refusal)?;
    for (kind, count) in vault.counts() {
        let counter = gateway.metrics.masked_total.with_label_values(&[kind.as_str()]);
        counter.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }
    Ok((Masked { admitted, local_only: vault.is_local_only() }, vault))
}

fn refusal(error: MaskError) -> Problem {
    match error {
        MaskError::Blocked(kinds) => {
            let names = |language: Language, comma: &str| -> String {
                let names: Vec<&str> = kinds.iter().map(|it| kind_name(language, *it)).collect();
                names.join(comma)
            };
            Problem::new(
                ErrorCode::ContentBlocked,
                format!(
                    "個人情報（{}）が含まれているため受け付けません。取り除いてください。",
                    names(Language::Japanese, "、")
                ),
                format!(
                    "The request holds personal data ({}), which is not accepted. Remove it.",
                    names(Language::English, ", ")
                ),
            )
        }
        MaskError::Media => Problem::new(
            ErrorCode::ContentBlocked,
            "画像・音声・ファイルは受け付けません。テキストだけで送ってください。",
            "Images, sounds and files are not accepted. Send text only.",
        ),
        MaskError::TooLarge => Problem::new(
            ErrorCode::PayloadTooLarge,
            format!(
                "テキストが大きすぎます（合計 {REQUEST_TEXT_BYTES_MAX} バイトまで。base64 の画像・\
                 音声・ファイルは含みません）。"
            ),
            format!(
                "The texts are too large: at most {REQUEST_TEXT_BYTES_MAX} bytes together, without \
                 images, sounds and files in base64."
            ),
        ),
        other => {
            tracing::error!(error = %other, "masking failed; the request is refused");
            Problem::new(
                ErrorCode::Internal,
                "個人情報の検査に失敗したため、送信しませんでした。",
                "Personal data could not be checked for, so nothing was sent.",
            )
        }
    }
}

/// Whether all that is said stands there as text. Token numbers would carry personal data past us.
fn sees_everything(chat: &ChatRequest) -> bool {
    let mut contents = chat.messages.iter().filter_map(|message| message.content.as_ref());
    !contents.any(|content| content.parts().iter().any(|part| part.kind == TOKENS))
}

fn unreadable() -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        "トークン番号の入力は個人情報を検査できません。文字列で送ってください（LangChain では \
         check_embedding_ctx_length=False）。",
        "Token numbers can't be looked through for personal data: send texts (in LangChain \
         check_embedding_ctx_length=False).",
    )
    .at("input")
}
