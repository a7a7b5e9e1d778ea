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
        ("Mon tél : 07 81 22 33 44", Kind::Phone, "07 81 22 33 44"),
        ("휴대폰 010-9988-7766 로", Kind::Phone, "010-9988-7766"),
        ("电话：13698765432，请回电", Kind::Phone, "13698765432"),
        ("Meu celular: (21) 99876-5432", Kind::Phone, "(21) 99876-5432"),
        ("Телефон: 8 (495) 123-45-67", Kind::Phone, "8 (495) 123-45-67"),
        // Dates of birth.
        ("geboren am 3. März 1979 in Graz", Kind::DateOfBirth, "3. März 1979"),
        ("née le 1 février 2001", Kind::DateOfBirth, "1 février 2001"),
        ("生年月日 昭和 51 年 3 月 9 日", Kind::DateOfBirth, "昭和 51 年 3 月 9 日"),
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
        ("sshpass -p 'Neko88!x' scp a b", Kind::Secret, "Neko88!x"),
        ("user dana pass h8Kq!2zz fails", Kind::Secret, "h8Kq!2zz"),
        ("暗証番号を5521から変えたい", Kind::Secret, "5521"),
        ("key=\"SecretToken\" value=\"aB3dE5gH7jK9\"", Kind::Secret, "aB3dE5gH7jK9"),
        ("Medicare number 7YT9-AB3-CD45 on file", Kind::HealthInsurance, "7YT9-AB3-CD45"),
        // Addresses for people, not for programs.
        ("rsync -a . backup@192.0.2.44:/data", Kind::IpAddress, "192.0.2.44"),
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
fn a_person_is_found_by_what_is_said_around() {
    let masker = Masker::new(Settings::default()).unwrap();
    for (text, kind, value) in [
        // Persons who say who they are.
        ("Меня зовут Павел Жданов, помогите", Kind::Person, "Павел Жданов"),
        ("제 이름은 최수영이고 학생이에요", Kind::Person, "최수영"),
        ("Tôi tên là Trần Minh Quân, sinh viên", Kind::Person, "Trần Minh Quân"),
        ("受付の関と申します", Kind::Person, "関"),
        ("The report is done.\nCheers,\nOdalys", Kind::Person, "Odalys"),
        ("dear mrs. Okafor, my son was ill", Kind::Person, "Okafor"),
        ("隣の凛ちゃんが来た", Kind::Person, "凛"),
        // Records.
        ("{\"last_name\": \"Marlowe\", \"n\": 1}", Kind::Person, "Marlowe"),
        ("<surname>Quill</surname>", Kind::Person, "Quill"),
        ("{\"street\": \"58 Bramble Court\"}", Kind::Address, "58 Bramble Court"),
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
        "password = config[\"db_password\"]",
        "<input type=\"password\" name=\"pw\">",
        "Bump org.example:core from 4.12.0.1 to 4.12.0.2",
        "npm i left@1.2.3.4",
        "管理番号 09087654321 の備品",
        "{\"first_name\": \"string\", \"last_name\": \"string\"}",
        "Best Buy. Thanks, everyone! Thanks, Team.",
        "歩くんだったら近道がいい、赤ちゃんと猫ちゃん",
        "저는 학생입니다",
        "Date: Wed, Mar 4, 2026 at 9:00",
    ] {
        assert_eq!(found(&masker, text), [], "{text}");
    }
}

#[test]
fn a_number_ends_where_the_next_begins() {
    let masker = Masker::new(Settings::default()).unwrap();
    let text = "from NL29 BOFS 2040 2449 10 to DE89 3704 0044 0532 0130 00.";
    let numbers: Vec<String> = found(&masker, text).into_iter().map(|(_, value)| value).collect();
    assert_eq!(numbers, ["NL29 BOFS 2040 2449 10", "DE89 3704 0044 0532 0130 00"]);
}

#[test]
fn cells_of_a_table_are_known_by_its_head() {
    let masker = Masker::new(Settings::default()).unwrap();
    let table = "\"郵便\",\"住所\"\n\"530-0001\",\"大阪府大阪市北区梅田3-1-1\"\n";
    let kinds: Vec<Kind> = found(&masker, table).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [Kind::PostalCode, Kind::Address]);
    let text = "INSERT INTO staff (no, my_number) VALUES ('A', '123456789018')";
    assert_eq!(found(&masker, text), [(Kind::MyNumber, "123456789018".to_owned())]);
}
