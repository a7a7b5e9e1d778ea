//! The kinds of personal data that are looked for: a closed set, so that metrics, policies and
//! placeholders can't disagree. A kind must never carry the value itself.

/// One kind of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A person's name, without honorifics.
    Person,
    /// An e-mail address.
    Email,
    /// A telephone number of a person.
    Phone,
    /// A postal address, down to building and room.
    Address,
    /// A postal code.
    PostalCode,
    /// A payment card number.
    CreditCard,
    /// An international bank account number.
    Iban,
    /// A domestic bank account number.
    BankAccount,
    /// Japan's individual number.
    MyNumber,
    /// A driving licence number.
    DriverLicense,
    /// A passport number.
    Passport,
    /// A Japanese residence card number.
    ResidenceCard,
    /// A Japanese basic pension number.
    PensionNumber,
    /// A health insurance number.
    HealthInsurance,
    /// A US social security number.
    UsSsn,
    /// A date of birth.
    DateOfBirth,
    /// An IP address.
    IpAddress,
    /// A vehicle's number plate.
    LicensePlate,
    /// A password, key or token.
    Secret,
    /// What the operator's own patterns find.
    Custom,
}

impl Kind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 20] = [
        Self::Person,
        Self::Email,
        Self::Phone,
        Self::Address,
        Self::PostalCode,
        Self::CreditCard,
        Self::Iban,
        Self::BankAccount,
        Self::MyNumber,
        Self::DriverLicense,
        Self::Passport,
        Self::ResidenceCard,
        Self::PensionNumber,
        Self::HealthInsurance,
        Self::UsSsn,
        Self::DateOfBirth,
        Self::IpAddress,
        Self::LicensePlate,
        Self::Secret,
        Self::Custom,
    ];

    /// The label of metrics, headers and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Address => "address",
            Self::PostalCode => "postal_code",
            Self::CreditCard => "credit_card",
            Self::Iban => "iban",
            Self::BankAccount => "bank_account",
            Self::MyNumber => "my_number",
            Self::DriverLicense => "driver_license",
            Self::Passport => "passport",
            Self::ResidenceCard => "residence_card",
            Self::PensionNumber => "pension_number",
            Self::HealthInsurance => "health_insurance",
            Self::UsSsn => "us_ssn",
            Self::DateOfBirth => "dob",
            Self::IpAddress => "ip_address",
            Self::LicensePlate => "license_plate",
            Self::Secret => "secret",
            Self::Custom => "custom",
        }
    }

    /// The type as `fly-llm mask --json` prints it.
    pub fn type_name(self) -> String {
        self.as_str().to_ascii_uppercase()
    }

    /// The kind that `as_str` names.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The word in a placeholder: short, one token of letters, none the beginning of another.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Person => "PERSON",
            Self::Email => "EMAIL",
            Self::Phone => "PHONE",
            Self::Address => "ADDRESS",
            Self::PostalCode => "POSTCODE",
            Self::CreditCard => "CARD",
            Self::Iban => "IBAN",
            Self::BankAccount => "ACCOUNT",
            Self::MyNumber => "MYNUMBER",
            Self::DriverLicense => "LICENCE",
            Self::Passport => "PASSPORT",
            Self::ResidenceCard => "RESIDENCE",
            Self::PensionNumber => "PENSION",
            Self::HealthInsurance => "INSURANCE",
            Self::UsSsn => "SSN",
            Self::DateOfBirth => "BIRTH",
            Self::IpAddress => "IP",
            Self::LicensePlate => "PLATE",
            Self::Secret => "SECRET",
            Self::Custom => "PRIVATE",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn names_are_unique_and_no_tag_begins_another() {
        for a in Kind::ALL {
            assert_eq!(Kind::parse(a.as_str()), Some(a));
            for b in Kind::ALL {
                assert!(a == b || !b.tag().starts_with(a.tag()), "{a:?} {b:?}");
            }
        }
    }
}
