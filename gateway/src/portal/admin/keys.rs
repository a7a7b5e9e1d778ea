//! Keys of an account, as the operator sees them; and the question before one ends.

use super::super::account::keys::{limits, name};
use super::super::guard::{Operator, Sent};
use super::super::landing::told;
use super::super::look::Look;
use super::super::texts::{Account, Admin};
use super::accounts::PLACE;
use super::{audit, room, token, with_status};
use crate::api::keys as issuing;
use crate::state::Gateway;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use schemas::ids::{AccountId, KeyId};
use schemas::records::KeyRecordV1;
use serde::Deserialize;
use std::sync::Arc;

/// The live keys of an account.
pub(super) fn of_account(gateway: &Gateway, look: &Look, account: &AccountId) -> Markup {
    let t = Admin::of(look.language);
    let words = Account::of(look.language);
    let live = gateway.keys.live();
    html! {
        div.scroll { table {
            thead { tr {
                th scope="col" { (t.name) }
                th scope="col" { (words.key) }
                th scope="col" { (words.limits) }
                td aria-hidden="true" {}
            } }
            tbody { @for key in live.iter().filter(|key| key.account == *account) { tr {
                th scope="row" { (name(&key.name)) }
                td { code { (key.key) } }
                td { (limits(words, key)) }
                td.number {
                    @let ask = format!("{PLACE}/{account}/revoke?key={}", key.key);
                    a.button.second.small href=(ask) { (t.revoke) }
                }
            } } }
        } }
    }
}

/// The key that is to end.
#[derive(Deserialize)]
pub(super) struct Ending {
    key: String,
}

/// Asks before a key ends.
pub(super) async fn ask_revoke(
    State(gateway): State<Arc<Gateway>>,
    Path(account): Path<String>,
    Query(ending): Query<Ending>,
    look: Look,
    who: Operator,
) -> Response {
    let t = Admin::of(look.language);
    let live = gateway.keys.live();
    let is_meant =
        |key: &&Arc<KeyRecordV1>| key.key.as_str() == ending.key && key.account.as_str() == account;
    let Some(key) = live.iter().find(is_meant) else {
        let page = room(&look, &who, (PLACE, t.revoke_ask), html! { p.empty { (t.no_key) } });
        return with_status(StatusCode::NOT_FOUND, page);
    };
    let place = format!("{PLACE}/{account}");
    room(
        &look,
        &who,
        (PLACE, t.revoke_ask),
        html! {
            p { strong { (key.name) } " " code { (key.key) } }
            p { (t.revoke_told) }
            form.actions method="post" action=(format!("{place}/revoke")) {
                (token(&who))
                input type="hidden" name="key" value=(key.key);
                button.danger type="submit" { (t.revoke) }
                a.button.second href=(place) { (t.back) }
            }
        },
    )
}

/// Ends a key.
pub(super) async fn revoke(
    State(gateway): State<Arc<Gateway>>,
    Path(account): Path<String>,
    look: Look,
    Sent { fields, .. }: Sent<Operator>,
) -> Response {
    let Ok(key) = KeyId::parse(fields.text("key")) else { return look.unread() };
    audit(&gateway, format!("revoke {key}")).await;
    match issuing::end(&gateway, &key).await {
        Ok(()) => Redirect::to(&format!("{PLACE}/{account}?told=revoked")).into_response(),
        Err(problem) => told(&look, &problem),
    }
}
