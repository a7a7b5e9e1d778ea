//! A receipt of one purchase, to print: as a qualified invoice where the seller has a number (the
//! fields of Japan's Consumption Tax Act, article 57-4). Its days are those of Japan.

use super::look::dollars;
use super::statement::day_in_japan;
use super::texts::Paper;
use super::{Look, print_hint};
use axum::http::StatusCode;
use axum::response::Response;
use infra::config::Stripe;
use maud::html;
use schemas::ledger::TopUp;
use schemas::money::{MicroUsd, Money};

/// All that stands on it.
pub(crate) struct Receipt<'a> {
    /// Who sells.
    pub(crate) seller: &'a Stripe,
    /// Who bought.
    pub(crate) buyer: &'a str,
    /// When: milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// What.
    pub(crate) bought: &'a TopUp,
    /// What of the money went back since.
    pub(crate) returned: Money,
    /// The credit.
    pub(crate) credit: MicroUsd,
    /// What came on top.
    pub(crate) bonus: MicroUsd,
}

impl Receipt<'_> {
    /// As a page.
    pub(crate) fn page(&self, look: &Look) -> Response {
        let percent = self.seller.tax_percent;
        let t = Paper::of(look.language);
        let taxed = Paper::tax(look.language, percent);
        let mut rows = vec![
            (t.buyer, self.buyer.to_owned()),
            (t.day, day_in_japan(self.at_ms)),
            (t.number, self.bought.payment.clone()),
            (t.item, self.item(look)),
            (t.amount, self.bought.paid.to_string()),
        ];
        if percent > 0 {
            rows.push((&taxed, tax_within(self.bought.paid, percent).to_string()));
        }
        let Money { currency, minor } = self.bought.paid;
        if self.returned.minor > 0 {
            let left = Money { currency, minor: minor.saturating_sub(self.returned.minor) };
            rows.push((t.refunded, self.returned.to_string()));
            rows.push((t.left, left.to_string()));
            if percent > 0 {
                rows.push((&taxed, tax_within(left, percent).to_string()));
            }
        }
        let Stripe { seller_name, seller_address, registration_number, .. } = self.seller;
        let lines = [Some(seller_name), Some(seller_address), registration_number.as_ref()];
        let lines = lines.into_iter().flatten().filter(|line| !line.is_empty());
        look.page(
            StatusCode::OK,
            t.receipt,
            html! {
                table.receipt {
                    tbody {
                        @for (label, value) in &rows {
                            tr { th scope="row" { (label) } td { (value) } }
                        }
                    }
                }
                p { @for line in lines { (line) br; } }
                (print_hint(look.language))
            },
        )
    }

    fn item(&self, look: &Look) -> String {
        let ends = day_in_japan(self.bought.expires_ms);
        let total = dollars(self.credit.saturating_add(self.bonus));
        Paper::credit(look.language, &total, &ends)
    }
}

/// The tax that an amount includes, rounded down.
pub(super) fn tax_within(paid: Money, percent: u64) -> Money {
    let minor = u128::from(paid.minor) * u128::from(percent) / u128::from(100 + percent);
    Money { minor: u64::try_from(minor).unwrap_or(u64::MAX), ..paid }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderMap;
    use infra::clock;
    use schemas::ledger::TopUpSource;
    use schemas::money::Currency;

    #[tokio::test]
    async fn its_days_are_those_of_japan() {
        let at = |text| clock::parse_rfc3339(text).unwrap();
        let bought = TopUp {
            payment: "pi_1".into(),
            paid: Money { currency: Currency::Jpy, minor: 1_000 },
            plan: None,
            source: TopUpSource::Checkout,
            expires_ms: at("2027-05-25T20:00:00Z"),
        };
        let receipt = Receipt {
            seller: &Stripe::default(),
            buyer: "花子商店",
            at_ms: at("2026-11-26T20:00:00Z"),
            bought: &bought,
            returned: Money { minor: 0, ..bought.paid },
            credit: MicroUsd(10_000_000),
            bonus: MicroUsd::ZERO,
        };
        let page = receipt.page(&Look::without_place(&HeaderMap::new()));
        let text = axum::body::to_bytes(page.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(text.contains("<td>2026-11-27</td>"), "{text}");
        assert!(text.contains("$10.00（有効期限 2027-05-26）"), "{text}");
    }

    #[test]
    fn the_tax_is_within_the_price() {
        let tax =
            |minor, percent| tax_within(Money { currency: Currency::Jpy, minor }, percent).minor;
        assert_eq!(tax(1_100, 10), 100);
        assert_eq!(tax(5_000, 10), 454);
        assert_eq!(tax(1_080, 8), 80);
        assert_eq!(tax(u64::MAX, 10), u64::MAX / 11);
    }
}
