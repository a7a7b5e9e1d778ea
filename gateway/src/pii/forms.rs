//! Forms that a text may give a value, and what looks like one. Must never hold a real person's
//! data.

use super::{Kind, Masker, Settings};

/// What of a text is masked, with its kind.
fn found(masker: &Masker, text: &str) -> Vec<(Kind, String)> {
    let spans = masker.detect(text);
    spans.iter().map(|span| (span.kind, text[span.start..span.end].to_owned())).collect()
}

#[test]
fn a_value_is_found_whole_and_alone() {
    let masker = Masker::new(Settings::default()).unwrap();
    for (text, kind, value) in [
        // Numbers end where the words go on.
        ("Driver license D4829105 issued to a friend", Kind::DriverLicense, "D4829105"),
        ("driver's license number is 12345678 state TX", Kind::DriverLicense, "12345678"),
        ("DL no. Y4471982, state CA", Kind::DriverLicense, "Y4471982"),
        ("DL# W426545307612 (FL)", Kind::DriverLicense, "W426545307612"),
        ("IBAN: NL29 BOFS 2040 2449 10 BIC BOFSNL", Kind::Iban, "NL29 BOFS 2040 2449 10"),
        ("IBAN NL29 BOFS 2040 2449 11 is wrong", Kind::Iban, "NL29 BOFS 2040 2449 11"),
        // Plates.
        ("なにわ583る8の車", Kind::LicensePlate, "なにわ583る8"),
        ("License plate 8ABC123 parked here", Kind::LicensePlate, "8ABC123"),
        ("driving plate: KXJ-4471", Kind::LicensePlate, "KXJ-4471"),
        // Phones.
        ("TEL0742-26-1188まで", Kind::Phone, "0742-26-1188"),
        ("携帯は〇九〇－一二三四－五六七八です", Kind::Phone, "〇九〇－一二三四－五六七八"),
        ("自宅〇三の三三三三の一二三四", Kind::Phone, "〇三の三三三三の一二三四"),
        ("0081-90-4455-6677 から", Kind::Phone, "0081-90-4455-6677"),
        // Dates of birth.
        ("1992年（平成4年）7月14日生", Kind::DateOfBirth, "1992年（平成4年）7月14日"),
        ("d.o.b: 03/11/1975", Kind::DateOfBirth, "03/11/1975"),
        ("d.o.b. 17.04.1988", Kind::DateOfBirth, "17.04.1988"),
        // Secrets.
        ("SECRET_KEY = 'k3y-fOr-Djang0-only'", Kind::Secret, "k3y-fOr-Djang0-only"),
        ("シークレットがwJalrXUtnFEMI7K7MDENGなんだけど", Kind::Secret, "wJalrXUtnFEMI7K7MDENG"),
        ("PINコードは0914なのに", Kind::Secret, "0914"),
        ("OTPは839201", Kind::Secret, "839201"),
        ("PW→hana8739 で", Kind::Secret, "hana8739"),
        ("Wi-Fi SSID: home-2G / key: k8dJ2mmP0q", Kind::Secret, "k8dJ2mmP0q"),
        ("Your verification code is 492817.", Kind::Secret, "492817"),
        // Addresses for people, not for programs.
        ("メアドはsora[at]blue-sky.example.jpです", Kind::Email, "sora[at]blue-sky.example.jp"),
        ("it is s.lindgren at example dot com", Kind::Email, "s.lindgren at example dot com"),
        ("192.0.2.146からのアクセスだけ許可", Kind::IpAddress, "192.0.2.146"),
        // Persons.
        ("the counter when Ms. Pemberton arrived", Kind::Person, "Pemberton"),
        ("Ms O'Rourke signed", Kind::Person, "O'Rourke"),
        ("see Dr. Xu at noon", Kind::Person, "Xu"),
        ("小鳥遊 ひなた様", Kind::Person, "小鳥遊 ひなた"),
        ("はい、あやちゃん", Kind::Person, "あや"),
        ("Nguyễn Văn Anさんは", Kind::Person, "Nguyễn Văn An"),
        ("氏名 CHEN WEI、国籍", Kind::Person, "CHEN WEI"),
    ] {
        assert_eq!(found(&masker, text), [(kind, value.to_owned())], "{text}");
    }
}

#[test]
fn a_column_of_births_is_found_to_its_end() {
    let masker = Masker::new(Settings::default()).unwrap();
    let table = "id,sku,dob,sold\n1,a,1990-02-11,2024-01-01\n2,b,1985-12-30,2024-01-02\n\
                 3,c,1979-05-06,2024-01-03\n";
    let births: Vec<String> = found(&masker, table).into_iter().map(|(_, value)| value).collect();
    assert_eq!(births, ["1990-02-11", "1985-12-30", "1979-05-06"]);
    let table = "| no | 生年月日 |\n|---|---|\n| 1 | 1990/02/11 |\n| 2 | 1985/12/30 |\n";
    assert_eq!(found(&masker, table).len(), 2);
}

#[test]
fn an_address_keeps_what_a_number_after_it_leaves() {
    let masker = Masker::new(Settings::default()).unwrap();
    let text = "仙台市泉区泉中央二丁目一番地の一 〇二二-三七二-三一一一";
    let kinds: Vec<Kind> = found(&masker, text).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [Kind::Address, Kind::Phone]);
}

#[test]
fn what_looks_like_a_value_is_left() {
    let masker = Masker::new(Settings::default()).unwrap();
    for text in [
        "plate 10492 and plate A4",
        "二〇二六年度は一〇〇〇〇〇〇〇〇円、ちゅうがっこう(くんれん)",
        "パスワード：********** と表示されます",
        "API_KEY=YOUR_API_KEY_HERE を置き換える",
        "user:password@host is the form",
        "確認コードは6桁です",
        "ファームウェア 2.10.33.7 に更新",
        "look at the dot com boom",
        "お客様、担当者様、取引先様、皆様",
        "生活様式、どんな様子、うごくんです、しっかりちゃんとする",
        "おかあさん、おばあちゃん、みなさん、たくさん",
        "クーロンの法則とファラデーの法則",
        "〇〇様と書いてください",
        "Model GTX-1080-8G vs RTX-4070-12G benchmark",
        "Mr. President, Dr. Who",
        "ごくろうさん、おつかれさん、はなやさん",
        "pin: required, otp: optional, pass: through",
    ] {
        assert_eq!(found(&masker, text), [], "{text}");
    }
}
