//! What is said of auto-recharge.

use super::Language;

texts! {
    /// Auto-recharge, on the page of credit.
    Recharge {
        title: "自動チャージ", "Auto-recharge";
        save_card: "このカードを自動チャージ用に保存する", "Save the card for auto-recharge";
        off: "自動チャージはオフです。", "Auto-recharge is off.";
        no_card: "保存されたカードがありません。上の購入で「このカードを自動チャージ用に保存する」を\
                  選ぶと始まります。",
            "No card is saved. Buy credit above and choose to save the card: then it begins.";
        on: "オンです。残高が基準を下回ると、保存したカードでチャージします。",
            "It is on: when the balance is lower than you wish, your saved card is charged.";
        charging: "チャージを実行中です。", "A charge is under way.";
        month_full: "今月の上限に達しました。来月また始まります。",
            "The most of this month is reached. It goes on next month.";
        stopped: "カードが使えなかったため停止しました。カードを確認してから、もう一度オンにしてください。",
            "A charge failed, so it is stopped. Look at your card, then switch it on again.";
        stopped_expired:
            "使われなかったクレジットの有効期限が切れたため停止しました。続けるには、もう一度オンにしてください。",
            "Unused credit has ended, so it is stopped. Switch it on again to go on.";
        stopped_not_sold:
            "この金額は販売されなくなったため停止しました。別の金額でもう一度オンにしてください。",
            "This amount isn't sold any more, so it is stopped. Switch it on again with another.";
        stopped_returned:
            "返金または不審請求の申し立てがあったため停止しました。続けるには、もう一度オンにしてください。",
            "Money went back (refund or dispute), so it is stopped. Switch it on again to go on.";
        other_card: "カードを変更するには、上の購入で「このカードを自動チャージ用に保存する」を選び、\
                     新しいカードで支払います。",
            "To use another card, buy credit above with it and choose to save the card.";
        below: "残高がこれを下回ったら（USD）", "When the balance is less than (USD)";
        amount: "1回のチャージ額", "Charge";
        month_max: "月の上限", "At most in a month";
        told: "プランと同じ金額なら、そのプランのボーナスも付きます。",
            "An amount that is a plan's price brings that plan's bonus.";
        save: "保存してオンにする", "Save and switch on";
        again: "もう一度オンにする", "Switch on again";
        end: "オフにする", "Switch off";
        end_with_card: "オフにしてカードを削除", "Switch off and forget the card";
        may_not: "制限のあるキーでは自動チャージを変更できません。",
            "A key that has limits can't change auto-recharge.";
    }
}
