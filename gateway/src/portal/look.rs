//! What all pages look like: the frame around them, in the reader's language and light or dark.
//! Whatever is put into a page is escaped by its template. A page must never be kept by a browser
//! or a proxy: it may show a secret.

use super::assets;
use super::cookies;
use super::guard::Guest;
use super::icons;
use super::language::Language;
use super::texts::Common;
use crate::state::Gateway;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use schemas::error::Problem;
use std::convert::Infallible;
use std::sync::Arc;

/// The cookie of a reader's choice.
pub(crate) const THEME_COOKIE: &str = "fly_theme";

/// Nothing but our own style and script; nothing inline, no frame, no form to elsewhere.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    /// As the system is.
    System,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

impl Theme {
    /// All, in the order of the switch.
    pub(crate) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// As the cookie and the style name it.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Reads one.
    pub(crate) fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.code() == code)
    }

    fn named(self, t: &Common) -> &'static str {
        match self {
            Self::System => t.theme_system,
            Self::Light => t.theme_light,
            Self::Dark => t.theme_dark,
        }
    }
}

/// How one reader wants one page.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// In which language.
    pub(crate) language: Language,
    theme: Theme,
    /// Where the page is: the switches lead back to it.
    path: String,
}

impl FromRequestParts<Arc<Gateway>> for Look {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Gateway>) -> Result<Self, Infallible> {
        // What a form is answered with can't be opened by its address: its page can.
        let page = parts.headers.get(header::REFERER).and_then(|page| page.to_str().ok());
        let page = page.filter(|_| parts.method == Method::POST);
        let page = page.and_then(|page| page.parse::<Uri>().ok());
        Ok(Self::of(&parts.headers, page.as_ref().unwrap_or(&parts.uri)))
    }
}

/// A place in a navigation: where it leads and what it is called.
type Way = (&'static str, &'static str);

impl Look {
    /// As the headers say.
    pub(crate) fn of(headers: &HeaderMap, uri: &Uri) -> Self {
        let theme = cookies::find(headers, THEME_COOKIE).and_then(|code| Theme::parse(&code));
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Self {
            language: Language::of(headers),
            theme: theme.unwrap_or(Theme::System),
            path: path.chars().take(500).collect(),
        }
    }

    /// The same without a place that the switches could lead back to.
    pub(crate) fn without_place(headers: &HeaderMap) -> Self {
        Self::of(headers, &Uri::from_static("/"))
    }

    /// A text in the reader's language.
    pub(crate) fn pick<'a>(&self, japanese: &'a str, english: &'a str) -> &'a str {
        self.language.pick(japanese, english)
    }

    /// What to do about a problem, in the reader's language.
    pub(crate) fn hint<'a>(&self, problem: &'a Problem) -> &'a str {
        problem.half(self.language == Language::Japanese)
    }

    /// A page for anybody: a title and what is below it.
    pub(crate) fn page(&self, status: StatusCode, title: &str, body: Markup) -> Response {
        self.framed(
            status,
            title,
            html! {
                main #main .narrow { h1 { (title) } (body) }
            },
        )
    }

    /// A page for anybody that uses the whole width, with a title of its own.
    pub(crate) fn wide(&self, title: &str, body: Markup) -> Response {
        self.framed(StatusCode::OK, title, html! { main #main .wide { (body) } })
    }

    /// A page of a guest, beside the navigation.
    pub(crate) fn room<G: Guest>(
        &self,
        guest: &G,
        (at, ways): (&str, &[Way]),
        title: &str,
        body: Markup,
    ) -> Response {
        let t = Common::of(self.language);
        let door = G::DOOR.replace("sign-in", "sign-out");
        self.framed(
            StatusCode::OK,
            title,
            html! {
                div.room {
                    nav.side aria-label=(t.navigation) {
                        ul {
                            @for (path, name) in ways {
                                li {
                                    @let is_here = (*path == at).then_some("page");
                                    a href=(path) aria-current=[is_here] {
                                        (icons::of(path)) span { (name) }
                                    }
                                }
                            }
                        }
                        form method="post" action=(door) {
                            input type="hidden" name="token" value=(guest.token());
                            button.quiet type="submit" { (t.sign_out) }
                        }
                    }
                    main #main { h1 { (title) } (body) }
                }
            },
        )
    }

    fn framed(&self, status: StatusCode, title: &str, body: Markup) -> Response {
        let t = Common::of(self.language);
        let page = html! {
            (DOCTYPE)
            html lang=(self.language.code()) data-theme=(self.theme.code()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " – Fly-LLM" }
                    link rel="stylesheet" href=(assets::style_path());
                    link rel="icon" href=(assets::ICON_PATH) type="image/svg+xml";
                    script src=(assets::script_path()) defer {}
                }
                body {
                    a.skip href="#main" { (t.skip) }
                    header.top {
                        a.brand href="/" { (mark()) span { "Fly-LLM" } }
                        nav aria-label=(t.site) {
                            a href="/#models" { (t.models) }
                            a href="/#plans" { (t.plans) }
                            a href="/account" { (t.account) }
                        }
                    }
                    (body)
                    (self.foot(t))
                }
            }
        };
        (status, page_headers(), page.into_string()).into_response()
    }

    fn foot(&self, t: &Common) -> Markup {
        html! {
            footer.foot {
                form method="post" action="/preferences" {
                    input type="hidden" name="back" value=(self.path);
                    fieldset {
                        legend.unseen { (t.language) }
                        @for (language, name) in
                            [(Language::Japanese, "日本語"), (Language::English, "English")]
                        {
                            button.chip type="submit" name="language" value=(language.code())
                                lang=(language.code())
                                aria-pressed=((language == self.language).to_string()) { (name) }
                        }
                    }
                    fieldset {
                        legend.unseen { (t.theme) }
                        @for theme in Theme::ALL {
                            button.chip type="submit" name="theme" value=(theme.code())
                                aria-pressed=((theme == self.theme).to_string()) {
                                (theme.named(t))
                            }
                        }
                    }
                }
                p {
                    a href="/openapi.json" { "OpenAPI" } " · "
                    a href="/admin" { (t.operator) } " · "
                    a href="https://github.com/enablerdao/fly-llm" { "GitHub" }
                }
            }
        }
    }

    /// A form that no page of ours has sent.
    pub(crate) fn refused(&self) -> Response {
        let t = Common::of(self.language);
        self.page(StatusCode::FORBIDDEN, t.form_old, html! { p { (t.form_old_hint) } })
    }

    /// A form that is too large or didn't arrive.
    pub(crate) fn unread(&self) -> Response {
        let t = Common::of(self.language);
        self.page(StatusCode::BAD_REQUEST, t.form_unread, html! { p { (t.form_unread_hint) } })
    }

    /// There is no such page.
    pub(crate) fn nowhere(&self) -> Response {
        let t = Common::of(self.language);
        self.astray(StatusCode::NOT_FOUND, t.nowhere, t.nowhere_hint)
    }

    /// What a path or a query asks for can't be read.
    pub(crate) fn misspelled(&self) -> Response {
        let t = Common::of(self.language);
        self.astray(StatusCode::BAD_REQUEST, t.misspelled, t.misspelled_hint)
    }

    /// An address that leads to no page, and where to go from here.
    fn astray(&self, status: StatusCode, title: &str, hint: &str) -> Response {
        let t = Common::of(self.language);
        self.page(
            status,
            title,
            html! {
                p { (hint) }
                p.actions {
                    a.button href="/" { (t.home) }
                    a.button.second href="/account" { (t.account) }
                }
            },
        )
    }

    /// A page that can't be shown, what to do, and a way back to the rooms that it is one of.
    pub(crate) fn problem(&self, status: StatusCode, told: &str) -> Response {
        let t = Common::of(self.language);
        let rooms = [("/account", t.account), ("/admin", t.operator)];
        let rooms = rooms.into_iter().find(|(rooms, _)| self.path.starts_with(rooms));
        let (home, name) = rooms.unwrap_or(("/", t.home));
        self.page(
            status,
            t.cannot,
            html! {
                p { (told) }
                p { a.button href=(home) { (name) } }
            },
        )
    }
}

/// The sign before the name.
fn mark() -> Markup {
    html! {
        svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" {
            path d="M3 12 21 3l-5 18-4.5-7.5z" fill="currentColor" {}
            path d="M11.5 13.5 21 3" stroke="var(--paper)" stroke-width="1.4" {}
        }
    }
}

/// The headers of every page.
fn page_headers() -> [(header::HeaderName, HeaderValue); 5] {
    [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ]
}

/// An amount of money with its sign, at least its cents, and all that is exact beyond them, as
/// `$1,234.50`, `$0.000012` and `−$4.00`.
pub(crate) fn dollars(amount: schemas::money::MicroUsd) -> String {
    let sign = if amount.0 < 0 { "−" } else { "" };
    let micro = amount.0.unsigned_abs();
    let digits = format!("{:06}", micro % 1_000_000);
    let (cents, beyond) = digits.split_at(2);
    format!("{sign}${}.{cents}{}", grouped(micro / 1_000_000), beyond.trim_end_matches('0'))
}

/// A whole number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A moment in Japan, as `2026-11-25 16:00`; the machine's form is beside it.
pub(crate) fn moment(unix_ms: u64) -> Markup {
    let exact = infra::clock::rfc3339(unix_ms);
    let japan = infra::clock::rfc3339(unix_ms + super::statement::JAPAN_OFFSET_MS);
    let shown = japan.get(..16).unwrap_or(&exact).replace('T', " ");
    html! { time datetime=(exact) { (shown) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::money::MicroUsd;

    #[test]
    fn numbers_are_easy_to_read() {
        let shown = [0, 12, 123, 1_234, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "12", "123", "1,234", "1,234,567"]);
        let shown = [0, 70, 1_230_000, 9_999_999, -1_500_000, 123_456_789_012];
        let shown = shown.map(|micro| dollars(MicroUsd(micro)));
        let wanted = ["$0.00", "$0.00007", "$1.23", "$9.999999", "−$1.50", "$123,456.789012"];
        assert_eq!(shown, wanted);
        assert_eq!(
            moment(0).into_string(),
            concat!("<time datetime=\"1970-01-01T00:00:00Z\">", "1970-01-01 09:00</time>",)
        );
    }

    #[tokio::test]
    async fn text_stays_text() {
        let look = Look::without_place(&HeaderMap::new());
        let evil = "<script>alert(\"1\")</script>&'";
        let page = look.page(StatusCode::OK, evil, html! { p title=(evil) { (evil) } });
        let body = axum::body::to_bytes(page.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(text.matches("<script").count(), 1, "{text}");
        assert_eq!(text.matches("&lt;script&gt;").count(), 4, "{text}");
    }
}
