//! What a buyer sees after Stripe's page: the credit, and the key of a new account, once.

use super::look::{Look, dollars};
use super::texts::{Checkout, Common};
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
        let t = Checkout::of(look.language);
        match self {
            Self::Bought(bought) => thanks(look, bought, base),
            Self::Pending => pending(look),
            Self::Open(url) => open(look, url),
            Self::Failed => over(look, &ways(t), (t.failed, t.failed_text)),
            Self::Expired => over(look, &ways(t), (t.expired, t.not_charged)),
        }
    }
}

/// The purchase is credited.
fn thanks(look: &Look, bought: &Bought, base: &str) -> Response {
    let t = Checkout::of(look.language);
    let Bought { credited, returned, key } = bought;
    let total = credited.credit.saturating_add(credited.bonus);
    let title = if returned.minor == 0 { t.thanks } else { t.was_refunded };
    look.page(
        StatusCode::OK,
        title,
        html! {
            p {
                (t.paid) " " (credited.paid) " → "
                strong { (dollars(total)) } " " (t.credit)
            }
            @if returned.minor > 0 {
                p.note { (t.refunded) " " (returned) }
                p.soft { (t.taken_back) }
            }
            p.soft { (t.account) ": " (credited.account) }
            @match key {
                FirstKey::NotWanted => {}
                FirstKey::Waits { shown } => { (waiting(t, shown.as_deref())) }
                FirstKey::Shown(secret) => { (shown(look, secret, base)) }
                FirstKey::ShownBefore => { p.note { (t.shown_before) } }
            }
            p { a.button href="/account" { (t.to_account) } }
        },
    )
}

/// The way to the key: a form to this very address. It says which secret it replaces, so that
/// pressing it twice replaces none that was shown just now.
fn waiting(t: &Checkout, was_shown: Option<&str>) -> Markup {
    let (told, button) = match was_shown {
        None => (t.waits, t.show),
        Some(_) => (t.may_replace, t.replace),
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
    let t = Checkout::of(look.language);
    let common = Common::of(look.language);
    let secret = secret.reveal();
    let curl = format!(
        "curl {base}/v1/chat/completions \\\n  -H \"Authorization: Bearer {secret}\" \\\n  \
         -H \"Content-Type: application/json\" \\\n  \
         -d '{{\"model\":\"auto\",\"messages\":[{{\"role\":\"user\",\"content\":\"{}\"}}]}}'",
        common.hello
    );
    html! {
        p.note { (t.shown) }
        code.secret #secret { (secret) }
        p {
            button.second.small.needs-script type="button" data-copy="secret"
                data-done=(common.copied) { (common.copy) }
        }
        p { (t.first) }
        pre { (curl) }
    }
}

fn pending(look: &Look) -> Response {
    let t = Checkout::of(look.language);
    let body = html! { p { (t.pending_text) } p.note { (t.pending_key) } };
    look.page(StatusCode::OK, t.pending, body)
}

fn open(look: &Look, url: &str) -> Response {
    let t = Checkout::of(look.language);
    let body = html! { p { (t.open_text) } p { a.button href=(url) { (t.go_on) } } };
    look.page(StatusCode::OK, t.open, body)
}

/// The buyer went back without paying; whether he has an account is known.
pub(crate) fn cancelled(look: &Look, has_account: bool) -> Response {
    let t = Checkout::of(look.language);
    let [of_account, of_new] = ways(t);
    let way = if has_account { of_account } else { of_new };
    over(look, &[way], (t.cancelled, t.not_charged))
}

/// Where a purchase begins: for who has an account, and for who is new.
fn ways(t: &Checkout) -> [(&'static str, &'static str); 2] {
    [("/account/credit", t.buy_in_account), ("/#plans", t.to_plans)]
}

/// A purchase that ended without credit, and where the next one begins.
fn over(look: &Look, ways: &[(&str, &str)], (title, told): (&str, &str)) -> Response {
    look.page(
        StatusCode::OK,
        title,
        html! {
            p { (told) }
            p.actions {
                @for (number, (place, name)) in ways.iter().enumerate() {
                    a.button.second[number > 0] href=(place) { (name) }
                }
            }
        },
    )
}

/// A page that can't be shown, and what to do.
pub(crate) fn problem(look: &Look, status: StatusCode, told: (&str, &str)) -> Response {
    look.problem(status, look.pick(told.0, told.1))
}
