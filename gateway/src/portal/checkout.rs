//! What a buyer sees after Stripe's page: the credit, and the key of a new account, once.

use super::look::{Look, dollars};
use super::texts::Common;
use axum::http::StatusCode;
use axum::response::Response;
use infra::secret::Secret;
use maud::{Markup, html};
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
pub(crate) fn thanks(look: &Look, credited: &Credited, key: &NewKey, base: &str) -> Response {
    let total = credited.credit.saturating_add(credited.bonus);
    let title = look.pick("ご購入ありがとうございます", "Thank you");
    look.page(StatusCode::OK, title, html! {
        p {
            (look.pick("お支払い", "Paid")) " " (credited.paid) " → "
            strong { (dollars(total)) } " " (look.pick("のクレジット", "of credit"))
        }
        p.soft { (look.pick("アカウント", "Account")) ": " (credited.account) }
        @match key {
            NewKey::NotWanted => {}
            NewKey::Shown(secret) => { (shown(look, secret, base)) }
            NewKey::ShownBefore => {
                p.note {
                    (look.pick(
                        "APIキーは一度だけ表示されます。すでに表示済みです。\
                         失くした場合は運営者にキーの再発行を依頼してください。",
                        "The API key is shown once, and has been. If it is lost, ask the operator \
                         to rotate it.",
                    ))
                }
            }
        }
        p { a.button href="/account" { (look.pick("マイページへ", "Go to your account")) } }
    })
}

fn shown(look: &Look, secret: &Secret, base: &str) -> Markup {
    let t = Common::of(look.language);
    let told = look.pick(
        "あなたのAPIキーです。この画面でしか表示されません。今すぐ保存してください。",
        "This is your API key. It is shown here and nowhere else: keep it now.",
    );
    let secret = secret.reveal();
    let curl = format!(
        "curl {base}/v1/chat/completions \\\n  -H \"Authorization: Bearer {secret}\" \\\n  \
         -H \"Content-Type: application/json\" \\\n  \
         -d '{{\"model\":\"auto\",\"messages\":[{{\"role\":\"user\",\"content\":\"こんにちは\"}}]}}'"
    );
    html! {
        p.note { (told) }
        code.secret #secret { (secret) }
        p {
            button.second.small.needs-script type="button" data-copy="secret"
                data-done=(t.copied) { (t.copy) }
        }
        p { (look.pick("最初のリクエスト", "A first request")) }
        pre { (curl) }
    }
}

/// The money hasn't come yet: a convenience store or a bank takes its time.
pub(crate) fn pending(look: &Look) -> Response {
    let title = look.pick("お支払いを確認しています", "Waiting for the payment");
    let told = look.pick(
        "コンビニ・銀行振込の場合は入金の確認後にクレジットが追加されます。\
         入金後にこのページを再読み込みしてください。",
        "Credit is added when the money arrives. After you have paid, load this page again.",
    );
    look.page(StatusCode::OK, title, html! { p { (told) } })
}

/// The buyer went back without paying.
pub(crate) fn cancelled(look: &Look) -> Response {
    let title = look.pick("購入を中止しました", "Nothing was bought");
    let told = look.pick(
        "料金は発生していません。もう一度購入するには、購入の手続きをやり直してください。",
        "Nothing was charged. To buy credit, begin again.",
    );
    look.page(
        StatusCode::OK,
        title,
        html! {
            p { (told) }
            p { a.button href="/#plans" { (look.pick("料金プランへ", "See the plans")) } }
        },
    )
}

/// A page that can't be shown, and what to do.
pub(crate) fn problem(look: &Look, status: StatusCode, told: (&str, &str)) -> Response {
    look.problem(status, look.pick(told.0, told.1))
}
