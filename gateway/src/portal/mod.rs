//! Pages for people: the first page, the customer's rooms and the operator's, in Japanese and
//! English. They show and do what the API does, through the same functions: nothing here counts
//! money or makes keys by itself.

/// Forms that are shown again.
mod again;

/// What a path and a query ask for.
mod asked;

/// The style, the script and the icon.
mod assets;

/// How often a key may be guessed.
mod attempts;

/// Bars by day.
mod chart;

/// Reading and writing cookies.
mod cookies;

/// Signing in and out; the choice of language and colours.
mod doors;

/// Who may open a page, which forms are believed.
mod guard;

/// The first page.
mod landing;

/// Japanese or English.
mod language;

/// The frame of all pages.
mod look;

/// Small signs of the navigation.
mod icons;

/// Sessions in cookies.
mod session;

/// Every text.
mod texts;

/// The customer's rooms.
mod account;

/// The operator's rooms.
mod admin;

/// After Stripe's page.
pub(crate) mod checkout;

/// One purchase, to print.
pub(crate) mod receipt;

/// A month, to print.
pub(crate) mod statement;

pub(crate) use admin::audit;
pub(crate) use guard::Open;
pub(crate) use language::Language;
pub(crate) use look::Look;
pub(crate) use texts::names::kind as kind_name;

use crate::state::Gateway;
use attempts::Attempts;
use axum::Router;
use axum::routing::{get, post};
use infra::bus::seal::Sealer;
use infra::secret::Secret;
use maud::{Markup, html};
use session::Seal;
use std::sync::{Arc, OnceLock};
use texts::Paper;

/// What the doors keep.
pub(crate) struct Front {
    pub(crate) seal: Seal,
    attempts: Attempts,
    /// Where the API and the counters are, once they are there.
    pub(crate) listening: OnceLock<[String; 2]>,
}

impl Front {
    /// Gateways of one ledger with the same admin key know each other's sessions.
    pub(crate) fn new(sealer: &Sealer, admin_key: Option<&Secret>) -> Self {
        Self {
            seal: Seal::new(sealer, admin_key),
            attempts: Attempts::default(),
            listening: OnceLock::new(),
        }
    }
}

/// All pages.
pub(crate) fn routes() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/", get(landing::show))
        .route("/buy", post(landing::buy))
        .route("/preferences", post(doors::prefer))
        .route("/assets/style.css", get(assets::style))
        .route("/assets/script.js", get(assets::script))
        .route(assets::ICON_PATH, get(assets::icon))
        .merge(account::routes())
        .merge(admin::routes())
}

/// Below what is made for paper; it isn't printed itself.
pub(crate) fn print_hint(language: Language) -> Markup {
    html! { p.soft.screen-only { (Paper::of(language).hint) } }
}
