//! A form that is shown again, because something in it was wrong: with what was typed, and with
//! what to do about it in the reader's language.

use super::guard::Fields;
use super::look::Look;
use crate::api::incoming;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use schemas::error::{ErrorCode, Problem};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What the forms of a page are shown with: nothing, or what one of them was sent with.
#[derive(Default)]
pub(crate) struct Again(Option<(&'static str, Fields, Problem)>);

impl Again {
    /// One of the forms was sent, and a problem came of it.
    pub(crate) fn because(form: &'static str, fields: Fields, problem: Problem) -> Self {
        Self(Some((form, fields, problem)))
    }

    fn sent(&self, form: &str) -> Option<(&Fields, &Problem)> {
        let sent = self.0.as_ref().filter(|(sent, ..)| *sent == form);
        sent.map(|(_, fields, problem)| (fields, problem))
    }

    /// Whether it is this form's turn.
    pub(crate) fn is(&self, form: &str) -> bool {
        self.sent(form).is_some()
    }

    /// What was typed into a field of a form.
    pub(crate) fn typed(&self, form: &str, field: &str) -> Option<&str> {
        self.sent(form).and_then(|(fields, _)| fields.given(field))
    }

    /// Whether a value was chosen in a form.
    pub(crate) fn chose(&self, form: &str, field: &str, value: &str) -> bool {
        self.sent(form).is_some_and(|(fields, _)| fields.all(field).iter().any(|all| all == value))
    }

    /// What is wrong with a form; the reader is led there.
    pub(crate) fn told(&self, look: &Look, form: &str) -> Markup {
        html! {
            @if let Some((_, problem)) = self.sent(form) {
                p.warning role="alert" tabindex="-1" autofocus { (look.hint(problem)) }
            }
        }
    }

    /// The page with the problem's status.
    pub(crate) fn answer(&self, mut page: Response) -> Response {
        if let Some((.., problem)) = &self.0 {
            let status = StatusCode::from_u16(problem.code.status());
            *page.status_mut() = status.unwrap_or(StatusCode::BAD_REQUEST);
        }
        page
    }
}

/// What was filled in, as the API takes it.
pub(crate) fn read<T: DeserializeOwned>(filled: &Value) -> Result<T, Problem> {
    incoming::json(filled.to_string().as_bytes()).map_err(|problem| {
        let field = problem.parameter.unwrap_or_default();
        Problem::new(
            ErrorCode::InvalidRequest,
            "入力を読み取れません。数値と選択を確認してください。",
            "What was filled in can't be read. Look at the numbers and choices.",
        )
        .at(field)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderMap;

    #[test]
    fn a_form_comes_again_alone_with_what_was_typed() {
        let fields = Fields::read(b"code=%3CX%3E&models=a&models=b&empty=");
        let problem = Problem::new(ErrorCode::NotFound, "ありません", "There is none");
        let again = Again::because("coupon", fields, problem);
        assert_eq!(again.typed("coupon", "code"), Some("<X>"));
        assert_eq!((again.typed("coupon", "empty"), again.typed("buy", "code")), (None, None));
        assert!(again.chose("coupon", "models", "b") && !again.chose("coupon", "models", "c"));
        let look = Look::without_place(&HeaderMap::new());
        assert!(again.told(&look, "coupon").into_string().contains("ありません<"));
        assert_eq!(again.told(&look, "buy").into_string(), "");
        assert!(again.is("coupon") && !again.is("buy") && !Again::default().is("coupon"));
    }

    #[test]
    fn what_cannot_be_read_names_its_field() {
        #[derive(serde::Deserialize)]
        struct Wanted {
            budget: Option<u64>,
        }
        let read: Result<Wanted, Problem> = read(&serde_json::json!({"budget": "much"}));
        assert_eq!(read.map(|wanted| wanted.budget).unwrap_err().parameter.unwrap(), "budget");
    }
}
