//! The small signs of the navigation, drawn as lines in the colour of the text. They say nothing
//! that the words beside them don't.

use maud::{Markup, html};

/// Rooms by their path, and the line that stands for each.
const LINES: [(&str, &str); 15] = [
    ("/account", "M4 11.5 12 4l8 7.5M6.5 10v9.5h11V10"),
    ("/account/playground", "M4.5 5h15v10.5h-9L6 19.5v-4H4.5z"),
    ("/account/usage", "M5 19.5v-8M12 19.5v-15M19 19.5v-11"),
    ("/account/requests", "M4 6.5h16M4 12h16M4 17.5h10"),
    (
        "/account/keys",
        "M14.5 9.5a4.5 4.5 0 1 1-9 0a4.5 4.5 0 0 1 9 0zM13.2 12.7 20 19.5M17 16.5l2-2",
    ),
    ("/account/credit", "M3.5 6.5h17v11.5h-17zM3.5 10.5h17M7 14.5h3"),
    ("/admin", "M3 12.5h4l3-7.5 4 14 3-6.5h4"),
    ("/admin/accounts", "M15.5 8a3.5 3.5 0 1 1-7 0a3.5 3.5 0 0 1 7 0zM5 19.5a7 7 0 0 1 14 0"),
    ("/admin/requests", "M4 6.5h16M4 12h16M4 17.5h10"),
    ("/admin/margin", "M4 17.5 10 11l4 4 6-8M15.5 7H20v4.5"),
    ("/admin/models", "M12 3.5 19.5 8v8L12 20.5 4.5 16V8zM4.5 8l7.5 4.3L19.5 8M12 12.3v8.2"),
    ("/admin/router", "M5.5 4.5v5a5 5 0 0 0 5 5h8M15.5 11l3.5 3.5-3.5 3.5M5.5 19.5v-5"),
    ("/admin/payments", "M3.5 6.5h17v11.5h-17zM3.5 10.5h17M7 14.5h3"),
    ("/admin/config", "M4 7.5h9M17 7.5h3M4 16.5h3M11 16.5h9M15 5.5v4M9 14.5v4"),
    ("/admin/audit", "M6.5 4h11v16h-11zM9.5 8.5h5M9.5 12h5M9.5 15.5h3"),
];

/// The sign of a room; nothing for one that has none.
pub(super) fn of(path: &str) -> Markup {
    let line = LINES.iter().find(|(known, _)| *known == path).map(|(_, line)| *line);
    html! {
        @if let Some(line) = line {
            svg.icon viewBox="0 0 24 24" width="18" height="18" aria-hidden="true" {
                path d=(line) {}
            }
        }
    }
}
