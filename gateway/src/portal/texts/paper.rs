//! What stands on receipts and statements.

use super::Language;

texts! {
    /// What is made to be printed.
    Paper {
        hint: "ブラウザーの印刷機能で PDF に保存できます。",
            "Print it, or keep it as a PDF, from the browser's menu.";
        receipt: "領収書", "Receipt";
        buyer: "宛名", "To";
        day: "日付", "Date";
        number: "番号", "Number";
        item: "品目", "Item";
        amount: "金額（税込）", "Amount (tax included)";
        refunded: "返金額（税込）", "Refunded";
        left: "差引金額（税込）", "Amount left";
        statement: "利用明細", "Statement";
        what: "内訳", "What";
        requests: "リクエスト数", "Requests";
        amount_usd: "金額（USD）", "Amount (USD)";
        before: "月初の残高", "At the beginning";
        after: "月末の残高", "At the end";
        bought: "購入", "Bought";
        bonus: "ボーナス", "Bonus";
        granted: "付与", "Granted";
        refunds: "返金", "Refunds";
        disputes: "不審請求の申し立て", "Disputes";
        ended: "失効", "Ended";
    }
}

impl Paper {
    /// The tax that an amount includes.
    pub(crate) fn tax(language: Language, percent: u64) -> String {
        match language {
            Language::Japanese => format!("うち消費税（{percent}%対象）"),
            Language::English => format!("of which consumption tax ({percent}%)"),
        }
    }

    /// What was bought, and until when it is good.
    pub(crate) fn credit(language: Language, total: &str, ends: &str) -> String {
        match language {
            Language::Japanese => format!("API クレジット {total}（有効期限 {ends}）"),
            Language::English => format!("API credit {total}, good until {ends}"),
        }
    }
}
