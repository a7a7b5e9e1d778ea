//! What a buyer sees after Stripe's page: the credit, and the key of a new account, once.

use super::look::{Look, dollars};
use super::texts::Common;
use axum::http::StatusCode;
use axum::response::Response;
use infra::secret::Secret;
use maud::{Markup, html};
use payments::Credited;
use schemas::money::Money;

/// The field of the form that says which secret is to be replaced, by its last characters.
pub(crate) const REPLACES: &str = "replaces";

/// What became of the key of a purchase.
pub(crate) enum FirstKey {
    /// The account had keys before.
    NotWanted,
    /// The buyer may ask for it.
    Waits {
        /// The last characters of the secret that was shown some minutes ago: it would get another.
        shown: Option<String>,
    },
    /// It was made just now: this is the only time that it is seen.
    Shown(Secret),
    /// It was shown before.
    ShownBefore,
}

/// A purchase that is paid.
pub(crate) struct Bought {
    /// What it brought.
    pub(crate) credited: Credited,
    /// What of the money went back since.
    pub(crate) returned: Money,
    /// The key of a new account.
    pub(crate) key: FirstKey,
}

/// How the purchase of somebody stands who is back from Stripe's page.
pub(crate) enum PurchaseState {
    /// It is credited.
    Bought(Bought),
    /// The money hasn't come yet: a convenience store or a bank takes its time.
    Pending,
    /// Stripe's page still waits at this address.
    Open(String),
    /// The payment failed: its money will not come.
    Failed,
    /// Nobody paid in time.
    Expired,
}

impl PurchaseState {
    /// As a page.
    pub(crate) fn page(&self, look: &Look, base: &str) -> Response {
        match self {
            Self::Bought(bought) => thanks(look, bought, base),
            Self::Pending => pending(look),
            Self::Open(url) => open(look, url),
            Self::Failed => over(
                look,
                &WAYS,
                ("お支払いが完了しませんでした", "The payment failed"),
                (
                    "入金を確認できなかったため、この購入は終了しました。料金は発生していません。\
                     もう一度購入するには、購入の手続きをやり直してください。",
                    "The money did not come, so this purchase is over. Nothing was charged. To \
                     buy credit, begin again.",
                ),
            ),
            Self::Expired => over(
                look,
                &WAYS,
                ("支払いページの期限が切れました", "The payment page has expired"),
                (
                    "料金は発生していません。もう一度購入するには、購入の手続きをやり直してください。",
                    "Nothing was charged. To buy credit, begin again.",
                ),
            ),
        }
    }
}

/// The purchase is credited.
fn thanks(look: &Look, bought: &Bought, base: &str) -> Response {
    let Bought { credited, returned, key } = bought;
    let total = credited.credit.saturating_add(credited.bonus);
    let title = match returned.minor {
        0 => look.pick("ご購入ありがとうございます", "Thank you"),
        _ => look.pick("返金のあったご購入です", "This purchase was refunded"),
    };
    look.page(StatusCode::OK, title, html! {
        p {
            (look.pick("お支払い", "Paid")) " " (credited.paid) " → "
            strong { (dollars(total)) } " " (look.pick("のクレジット", "of credit"))
        }
        @if returned.minor > 0 {
            p.note {
                (look.pick("返金額", "Refunded")) " " (returned) ". "
                (look.pick(
                    "返金分のクレジットは残高から差し引かれています。",
                    "Its credit was taken back.",
                ))
            }
        }
        p.soft { (look.pick("アカウント", "Account")) ": " (credited.account) }
        @match key {
            FirstKey::NotWanted => {}
            FirstKey::Waits { shown } => { (waiting(look, shown.as_deref())) }
            FirstKey::Shown(secret) => { (shown(look, secret, base)) }
            FirstKey::ShownBefore => {
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

/// The way to the key: a form to this very address. It says which secret it replaces, so that
/// pressing it twice replaces none that was shown just now.
fn waiting(look: &Look, was_shown: Option<&str>) -> Markup {
    let (told, button) = match was_shown {
        None => (
            look.pick(
                "APIキーは一度だけ表示されます。保存できるときに表示してください。",
                "The API key is shown once. Show it when you can keep it.",
            ),
            look.pick("APIキーを表示", "Show the API key"),
        ),
        Some(_) => (
            look.pick(
                "APIキーは表示済みです。保存できなかった場合は、作成から10分以内なら新しいキーに\
                 取り替えられます。前のキーは使えなくなります。",
                "The API key has been shown. If it is lost, a new one replaces it within ten \
                 minutes of its making; the former is refused then.",
            ),
            look.pick("新しいキーに取り替えて表示", "Replace it and show the new one"),
        ),
    };
    html! {
        p.note { (told) }
        form.actions method="post" {
            @if let Some(last_four) = was_shown {
                input type="hidden" name=(REPLACES) value=(last_four);
            }
            button type="submit" { (button) }
        }
        br;
    }
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

fn pending(look: &Look) -> Response {
    let title = look.pick("お支払いを確認しています", "Waiting for the payment");
    let told = look.pick(
        "コンビニ・銀行振込の場合は入金の確認後にクレジットが追加されます。\
         入金後にこのページを再読み込みしてください。",
        "Credit is added when the money arrives. After you have paid, load this page again.",
    );
    let keep = look.pick(
        "はじめてのご購入では、APIキーはこのページのアドレスでだけ受け取れます。\
         ブックマークしておいてください。",
        "Bought for a new account? Its API key is given at this page's address alone: bookmark it.",
    );
    look.page(StatusCode::OK, title, html! { p { (told) } p.note { (keep) } })
}

fn open(look: &Look, url: &str) -> Response {
    let title = look.pick("お支払いがまだ済んでいません", "Nothing is paid yet");
    let told = look.pick(
        "Stripeの支払いページで手続きを続けてください。料金はまだ発生していません。",
        "Go on at Stripe's payment page. Nothing was charged so far.",
    );
    let on = look.pick("支払いへ進む", "Continue to payment");
    look.page(
        StatusCode::OK,
        title,
        html! {
            p { (told) }
            p { a.button href=(url) { (on) } }
        },
    )
}

/// The buyer went back without paying; whether he has an account is known.
pub(crate) fn cancelled(look: &Look, has_account: bool) -> Response {
    let ways = if has_account { &WAYS[..1] } else { &WAYS[1..] };
    over(
        look,
        ways,
        ("購入を中止しました", "Nothing was bought"),
        (
            "料金は発生していません。もう一度購入するには、購入の手続きをやり直してください。",
            "Nothing was charged. To buy credit, begin again.",
        ),
    )
}

/// Where a purchase begins: for who has an account, and for who is new.
const WAYS: [(&str, (&str, &str)); 2] = [
    ("/account/credit", ("マイページで購入", "Buy in your account")),
    ("/#plans", ("料金プランへ", "See the plans")),
];

/// A purchase that ended without credit, and where the next one begins.
fn over(
    look: &Look,
    ways: &[(&str, (&str, &str))],
    title: (&str, &str),
    told: (&str, &str),
) -> Response {
    look.page(
        StatusCode::OK,
        look.pick(title.0, title.1),
        html! {
            p { (look.pick(told.0, told.1)) }
            p.actions {
                @for (number, (place, name)) in ways.iter().enumerate() {
                    a.button.second[number > 0] href=(place) { (look.pick(name.0, name.1)) }
                }
            }
        },
    )
}

/// A page that can't be shown, and what to do.
pub(crate) fn problem(look: &Look, status: StatusCode, told: (&str, &str)) -> Response {
    look.problem(status, look.pick(told.0, told.1))
}
