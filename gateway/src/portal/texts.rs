//! Every text of the pages, Japanese and English side by side: a text that one language lacks does
//! not compile. Each room's texts are in a file of their own.

use super::language::Language;

/// A room's texts: `name: Japanese, English;`.
macro_rules! texts {
    (
        $(#[doc = $what:literal])+
        $room:ident { $($name:ident: $japanese:literal, $english:literal;)+ }
    ) => {
        $(#[doc = $what])+
        pub(crate) struct $room {
            $(pub(crate) $name: &'static str,)+
        }

        impl $room {
            /// In a language.
            pub(crate) fn of(language: Language) -> &'static Self {
                const JAPANESE: &$room = &$room { $($name: $japanese,)+ };
                const ENGLISH: &$room = &$room { $($name: $english,)+ };
                match language {
                    Language::Japanese => JAPANESE,
                    Language::English => ENGLISH,
                }
            }
        }
    };
}

/// The customer's rooms.
mod account;

/// The operator's rooms.
mod admin;

/// After Stripe's page.
mod checkout;

/// The first page.
mod landing;

/// What members of closed sets are called.
pub(crate) mod names;

/// Receipts and statements.
mod paper;

/// Auto-recharge.
mod recharge;

pub(crate) use account::Account;
pub(crate) use admin::Admin;
pub(crate) use checkout::Checkout;
pub(crate) use landing::Landing;
pub(crate) use paper::Paper;
pub(crate) use recharge::Recharge;

texts! {
    /// On all pages.
    Common {
        skip: "本文へ", "Skip to content";
        site: "サイト", "Site";
        navigation: "メニュー", "Menu";
        models: "モデル", "Models";
        plans: "料金", "Pricing";
        account: "マイページ", "Account";
        operator: "運営者", "Operator";
        sign_out: "サインアウト", "Sign out";
        language: "表示言語", "Language";
        theme: "配色", "Colours";
        theme_system: "自動", "Auto";
        theme_light: "ライト", "Light";
        theme_dark: "ダーク", "Dark";
        home: "トップへ", "Home";
        cannot: "表示できません", "This page can't be shown";
        nowhere: "ページが見つかりません", "There is no such page";
        nowhere_hint: "アドレスを確認するか、次のページからお探しください。",
            "Look at the address again, or start from one of these.";
        misspelled: "アドレスを読み取れません", "This address can't be read";
        misspelled_hint: "リンクが途中で切れているか、書き換えられています。次のページからお探しください。",
            "The link was cut or changed. Start from one of these.";
        form_old: "フォームを受け付けられませんでした", "This form was not accepted";
        form_old_hint: "ページを開き直してから、もう一度お試しください。",
            "Open the page again, then send the form once more.";
        form_unread: "フォームを受け取れませんでした", "This form did not arrive";
        form_unread_hint: "内容が大きすぎるか、通信が途切れました。もう一度お試しください。",
            "It is too large, or the connection broke. Please try again.";
        sent_before: "このフォームはすでに送信されています。もう一度は実行していません。",
            "This form was sent before. Nothing was done a second time.";
        hello: "こんにちは", "Hello!";
        copy: "コピー", "Copy";
        copied: "コピーしました", "Copied";
        as_table: "表で見る", "As a table";
    }
}
