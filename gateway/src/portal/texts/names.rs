//! What the members of closed sets are called, and the plans that we bring ourselves.

use super::Language;
use crate::pii::Kind;
use schemas::ledger::Writer;
use schemas::usage::TokenSource;

/// A kind of personal data.
pub(crate) fn kind(language: Language, kind: Kind) -> &'static str {
    let (japanese, english) = match kind {
        Kind::Person => ("氏名", "name"),
        Kind::Email => ("メールアドレス", "e-mail"),
        Kind::Phone => ("電話番号", "telephone"),
        Kind::Address => ("住所", "address"),
        Kind::PostalCode => ("郵便番号", "postal code"),
        Kind::CreditCard => ("カード番号", "card"),
        Kind::Iban => ("IBAN", "IBAN"),
        Kind::BankAccount => ("口座番号", "bank account"),
        Kind::MyNumber => ("マイナンバー", "individual number"),
        Kind::DriverLicense => ("運転免許証番号", "driving licence"),
        Kind::Passport => ("旅券番号", "passport"),
        Kind::ResidenceCard => ("在留カード番号", "residence card"),
        Kind::PensionNumber => ("基礎年金番号", "pension number"),
        Kind::HealthInsurance => ("保険証番号", "health insurance"),
        Kind::UsSsn => ("米国社会保障番号", "social security"),
        Kind::DateOfBirth => ("生年月日", "date of birth"),
        Kind::IpAddress => ("IPアドレス", "IP address"),
        Kind::LicensePlate => ("ナンバープレート", "number plate"),
        Kind::Secret => ("シークレット", "secret"),
        Kind::Custom => ("指定した語", "own pattern"),
    };
    language.pick(japanese, english)
}

/// A plan by its ID. An operator's own plan is called as he calls it.
pub(crate) fn plan(language: Language, id: &str) -> &str {
    match id {
        "starter" => language.pick("スターター", "Starter"),
        "pro" => language.pick("プロ", "Pro"),
        "enterprise" => language.pick("エンタープライズ", "Enterprise"),
        own => own,
    }
}

/// Who counted the tokens of a request.
pub(crate) fn token_source(language: Language, source: TokenSource) -> &'static str {
    match source {
        TokenSource::Vendor => language.pick("モデル提供元の計数", "the model's vendor"),
        TokenSource::Counted => language.pick("トークナイザーで計数", "the model's tokenizer"),
        TokenSource::Estimated => language.pick("推定", "estimated"),
    }
}

/// Who wrote down what a request cost.
pub(crate) fn writer(language: Language, writer: Writer) -> &'static str {
    match writer {
        Writer::Worker => language.pick("ワーカー", "worker"),
        Writer::Gateway => language.pick("ゲートウェイ", "gateway"),
        Writer::Sweeper => language.pick("billingワーカー", "billing worker"),
        Writer::Operator => language.pick("運営者", "operator"),
    }
}

/// A line of the audit log. It is written in English, as the log is; a reader of Japanese is told
/// what was done in Japanese, and the rest as it stands.
pub(crate) fn deed(language: Language, done: &str) -> String {
    const DEEDS: [(&str, &str); 10] = [
        ("create account ", "アカウントを作成"),
        ("change account ", "アカウントを変更"),
        ("create key ", "キーを作成"),
        ("change key ", "キーを変更"),
        ("rotate key ", "キーを再発行"),
        ("revoke ", "キーを削除"),
        ("grant ", "クレジットを付与"),
        ("nothing: ", "変更なし"),
        ("drain ", "ワーカーを切り離し"),
        ("cancel ", "リクエストを中断"),
    ];
    let known = DEEDS.iter().find_map(|(deed, told)| Some((told, done.strip_prefix(deed)?)));
    match (language, known) {
        (Language::Japanese, Some((told, rest))) => format!("{told}: {rest}"),
        _ => done.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_told_in_japanese_and_the_rest_as_it_is() {
        assert_eq!(plan(Language::Japanese, "pro"), "プロ");
        assert_eq!(plan(Language::Japanese, "gold"), "gold");
        let done = "grant $2.50 to acct_a: \"welcome\"";
        assert_eq!(deed(Language::English, done), done);
        assert_eq!(
            deed(Language::Japanese, done),
            "クレジットを付与: $2.50 to acct_a: \"welcome\""
        );
        assert_eq!(deed(Language::Japanese, "hum"), "hum");
    }
}
