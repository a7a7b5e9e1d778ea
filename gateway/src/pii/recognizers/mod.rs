//! The recognisers, one kind of data per file. A recogniser reads the shadow text and reports
//! offsets; it must never allocate per character, and never look at a stretch of text twice for
//! each stretch it has looked at (that would be quadratic).

mod address_labelled;
mod bank_account;
mod birth_date;
mod credit_card;
mod digits;
mod driver_license;
mod email;
mod gate;
mod health_insurance;
mod iban;
mod ip_address;
mod labels;
mod license_plate;
mod my_number;
mod part;
mod passport;
mod pension_number;
mod person_column;
mod person_introduced;
mod person_labelled;
mod person_mentioned;
mod person_titled;
mod phone;
mod postal_code;
mod residence_card;
mod rule;
mod secret_format;
mod secret_labelled;
mod us_ssn;
mod words;

pub(super) use credit_card::has_issuer;
pub(super) use digits::Digits;
pub(super) use gate::{Gate, Need};
pub(super) use labels::is_head as is_name_head;
pub(super) use rule::{Rule, small};

use super::finding::Finding;

/// Finds one kind of data.
pub(super) trait Recognizer: Send + Sync {
    /// What a text must hold for it to find anything.
    fn need(&self) -> Need;

    /// Adds what it finds in a shadow text with these digits.
    fn find(&self, text: &str, digits: &Digits, findings: &mut Vec<Finding>);
}

type Recognizers = Vec<Box<dyn Recognizer>>;

/// All of them, compiled.
pub(super) fn all() -> Result<Recognizers, regex::Error> {
    let mut all: Recognizers = Vec::new();
    email::add(&mut all)?;
    phone::add(&mut all)?;
    postal_code::add(&mut all)?;
    credit_card::add(&mut all)?;
    iban::add(&mut all)?;
    bank_account::add(&mut all)?;
    my_number::add(&mut all)?;
    driver_license::add(&mut all)?;
    passport::add(&mut all)?;
    address_labelled::add(&mut all)?;
    person_column::add(&mut all)?;
    person_introduced::add(&mut all)?;
    person_labelled::add(&mut all)?;
    person_mentioned::add(&mut all)?;
    person_titled::add(&mut all)?;
    residence_card::add(&mut all)?;
    pension_number::add(&mut all)?;
    health_insurance::add(&mut all)?;
    us_ssn::add(&mut all)?;
    birth_date::add(&mut all)?;
    ip_address::add(&mut all)?;
    license_plate::add(&mut all)?;
    secret_format::add(&mut all)?;
    secret_labelled::add(&mut all)?;

    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::{Digits, Recognizers};

    /// What the first rule of a kind finds in a text.
    pub(super) fn finding(
        add: fn(&mut Recognizers) -> Result<(), regex::Error>,
    ) -> impl Fn(&str) -> Vec<&str> {
        let mut all = Recognizers::new();
        add(&mut all).unwrap();
        move |text| {
            let mut findings = Vec::new();
            all[0].find(text, &Digits::of(text), &mut findings);
            findings.iter().map(|found| &text[found.start..found.end]).collect()
        }
    }

    /// How much the first rule of a kind finds in a text.
    pub(super) fn counting(
        add: fn(&mut Recognizers) -> Result<(), regex::Error>,
    ) -> impl Fn(&str) -> usize {
        let found = finding(add);
        move |text| found(text).len()
    }
}
