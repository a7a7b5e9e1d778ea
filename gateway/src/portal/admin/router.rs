//! What the router would do with a prompt, and why: what it reads out of it, and how the candidates
//! compare. Nothing is sent anywhere.

use super::super::guard::{Operator, Sent};
use super::super::landing::told;
use super::super::look::{Look, grouped};
use super::super::texts::Admin;
use super::{room, token};
use crate::api::explained::explained;
use crate::state::Gateway;
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use schemas::openai::ChatRequest;
use serde_json::{Value, json};
use std::sync::Arc;

const PLACE: &str = "/admin/router";

/// The empty form.
pub(super) async fn show(look: Look, who: Operator) -> Response {
    page(&look, &who, ("", html! {}))
}

/// The explanation of one prompt.
pub(super) async fn explain(
    State(gateway): State<Arc<Gateway>>,
    look: Look,
    Sent { who, fields }: Sent<Operator>,
) -> Response {
    let prompt = fields.text("prompt");
    let chat = json!({"model": "auto", "messages": [{"role": "user", "content": prompt}]});
    let Ok(chat) = serde_json::from_value::<ChatRequest>(chat) else { return look.unread() };
    match explained(&gateway, None, &chat) {
        Ok(choice) => page(&look, &who, (prompt, explanation(&look, &choice))),
        Err(problem) => told(&look, &problem),
    }
}

fn page(look: &Look, who: &Operator, (prompt, below): (&str, Markup)) -> Response {
    let t = Admin::of(look.language);
    room(
        look,
        who,
        (PLACE, t.router),
        html! {
            p.soft { (t.router_text) }
            form.card method="post" action=(PLACE) {
                (token(who))
                div.field {
                    label for="prompt" { (t.prompt) }
                    textarea #prompt name="prompt" rows="5" required { (prompt) }
                }
                button type="submit" { (t.explain) }
            }
            (below)
        },
    )
}

fn explanation(look: &Look, choice: &Value) -> Markup {
    let t = Admin::of(look.language);
    let text = |value: &Value| value.as_str().unwrap_or("–").to_owned();
    let sure = |part: &Value| format!("{:.0} %", part.as_f64().unwrap_or(0.0) * 100.0);
    let order = choice["order"].as_array().cloned().unwrap_or_default();
    let place = |one: &Value| order.iter().position(|name| *name == one["model"]);
    let mut candidates = choice["candidates"].as_array().cloned().unwrap_or_default();
    candidates.sort_by_key(|one| place(one).unwrap_or(usize::MAX));
    html! {
        br;
        dl.figures {
            div.figure { dt { (t.chosen) } dd #chosen { (text(&choice["model"])) } }
            div.figure {
                dt { (t.language) }
                dd { (text(&choice["language"]["code"])) }
                dd { small { (sure(&choice["language"]["confidence"])) } }
            }
            div.figure {
                dt { (t.task) }
                dd { (text(&choice["task"]["name"])) }
                dd { small { (sure(&choice["task"]["confidence"])) } }
            }
            div.figure { dt { (t.difficulty) } dd { (decimal(&choice["score"], 2)) } }
            div.figure {
                dt { (t.tokens) }
                dd { (grouped(choice["prompt_tokens_estimate"].as_u64().unwrap_or(0))) }
            }
        }
        p { (t.reason) ": " code { (text(&choice["reason"])) } }
        div.scroll { table {
            thead { tr {
                th.number scope="col" { (t.place) }
                th scope="col" { (t.model) }
                th scope="col" { (t.tier) }
                th.number scope="col" { (t.quality) }
                th.number scope="col" { (t.worst_cost) }
                th.number scope="col" { (t.wait) }
                th.number scope="col" { (t.score) }
            } }
            tbody { @for one in &candidates { tr {
                td.number {
                    @match place(one) {
                        Some(place) => { (place + 1) }
                        None => {
                            span.badge title=(text(&one["left_out"])) { (t.left_out) }
                        }
                    }
                }
                th scope="row" { (text(&one["model"])) }
                td { (text(&one["tier"])) }
                td.number { (decimal(&one["expected_quality"], 3)) }
                td.number { "$" (decimal(&one["worst_case_usd"], 6)) }
                td.number { (decimal(&one["expected_wait_seconds"], 1)) " s" }
                td.number { (decimal(&one["value"], 3)) }
            } } }
        } }
    }
}

/// A number with so many digits behind the point.
fn decimal(value: &Value, digits: usize) -> String {
    value.as_f64().map_or_else(|| "–".to_owned(), |number| format!("{number:.digits$}"))
}
