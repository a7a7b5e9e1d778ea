//! What a buyer sees after Stripe's page: the credit, and the key of a new account, once.

use super::{Language, escape, page};
use axum::http::StatusCode;
use axum::response::Response;
use infra::secret::Secret;
use payments::Credited;

/// What became of the key of a purchase.
pub(crate) enum NewKey {
    /// The account had keys before.
    NotWanted,
    /// It was made just now: this is the only time that it is seen.
    Shown(Secret),
    /// It was shown before.
    ShownBefore,
}

/// The purchase is credited.
pub(crate) fn thanks(
    language: Language,
    credited: &Credited,
    key: &NewKey,
    base: &str,
) -> Response {
    let total = credited.credit.saturating_add(credited.bonus);
    let title = language.pick("ご購入ありがとうございます", "Thank you");
    let mut body = format!(
        "<p>{} {} → ${} {}</p>\n<p class=\"soft\">{}: {}</p>\n",
        language.pick("お支払い", "Paid"),
        escape(&credited.paid.to_string()),
        total,
        language.pick("のクレジット", "of credit"),
        language.pick("アカウント", "Account"),
        escape(credited.account.as_str()),
    );
    match key {
        NewKey::NotWanted => {}
        NewKey::Shown(secret) => body.push_str(&shown(language, secret, base)),
        NewKey::ShownBefore => {
            let told = language.pick(
                "APIキーは一度だけ表示されます。すでに表示済みです。\
                 失くした場合は運営者にキーの再発行を依頼してください。",
                "The API key is shown once, and has been. If it is lost, ask the operator to \
                 rotate it.",
            );
            body.push_str(&format!("<p>{told}</p>\n"));
        }
    }
    page(StatusCode::OK, language, title, &body)
}

fn shown(language: Language, secret: &Secret, base: &str) -> String {
    let told = language.pick(
        "あなたのAPIキーです。この画面でしか表示されません。今すぐ保存してください。",
        "This is your API key. It is shown here and nowhere else: keep it now.",
    );
    let first = language.pick("最初のリクエスト", "A first request");
    let (secret, base) = (escape(secret.reveal()), escape(base));
    format!(
        "<p>{told}</p>\n<code class=\"secret\">{secret}</code>\n<p>{first}</p>\n\
         <pre>curl {base}/v1/chat/completions \\\n  -H \"Authorization: Bearer {secret}\" \\\n  \
         -H \"Content-Type: application/json\" \\\n  \
         -d '{{\"model\":\"auto\",\"messages\":[{{\"role\":\"user\",\"content\":\"こんにちは\"}}]}}'\
         </pre>\n"
    )
}

/// The money hasn't come yet: a convenience store or a bank takes its time.
pub(crate) fn pending(language: Language) -> Response {
    let title = language.pick("お支払いを確認しています", "Waiting for the payment");
    let told = language.pick(
        "コンビニ・銀行振込の場合は入金の確認後にクレジットが追加されます。入金後にこのページを再読み込みしてください。",
        "Credit is added when the money arrives. After you have paid, load this page again.",
    );
    page(StatusCode::OK, language, title, &format!("<p>{told}</p>\n"))
}

/// The buyer went back without paying.
pub(crate) fn cancelled(language: Language) -> Response {
    let title = language.pick("購入を中止しました", "Nothing was bought");
    let told = language.pick(
        "料金は発生していません。もう一度購入するには、購入の手続きをやり直してください。",
        "Nothing was charged. To buy credit, begin again.",
    );
    page(StatusCode::OK, language, title, &format!("<p>{told}</p>\n"))
}

/// A page that can't be shown, and what to do.
pub(crate) fn problem(language: Language, status: StatusCode, told: (&str, &str)) -> Response {
    let title = language.pick("表示できません", "This page can't be shown");
    let told = escape(language.pick(told.0, told.1));
    page(status, language, title, &format!("<p>{told}</p>\n"))
}
