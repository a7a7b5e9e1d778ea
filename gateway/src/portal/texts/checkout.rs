//! What is said after Stripe's page.

use super::Language;

texts! {
    /// After a purchase, or without one.
    Checkout {
        thanks: "ご購入ありがとうございます", "Thank you";
        was_refunded: "返金のあったご購入です", "This purchase was refunded";
        paid: "お支払い", "Paid";
        credit: "のクレジット", "of credit";
        refunded: "返金額:", "Refunded:";
        taken_back: "返金分のクレジットは残高から差し引かれています。", "Its credit was taken back.";
        account: "アカウント", "Account";
        shown_before: "APIキーは一度だけ表示されます。すでに表示済みです。\
                       紛失した場合は運営者にキーの再発行を依頼してください。",
            "The API key is shown once, and has been. If it is lost, ask the operator to rotate \
             it.";
        to_account: "マイページへ", "Go to your account";
        waits: "APIキーは一度だけ表示されます。保存できるときに表示してください。",
            "The API key is shown once. Show it when you can keep it.";
        show: "APIキーを表示", "Show the API key";
        may_replace: "APIキーは表示済みです。保存できなかった場合は、作成から10分以内なら再発行できます。\
                      前のキーは使えなくなります。",
            "The API key has been shown. If it is lost, a new one replaces it within ten minutes \
             of its making; the former is refused then.";
        replace: "再発行して表示", "Replace it and show the new one";
        shown: "APIキーを発行しました。この画面でしか表示されません。今すぐ保存してください。",
            "This is your API key. It is shown here and nowhere else: keep it now.";
        first: "最初のリクエスト", "A first request";
        pending: "お支払いを確認しています", "Waiting for the payment";
        pending_text: "コンビニ・銀行振込の場合は、入金の確認後にクレジットが追加されます。\
                       入金後にこのページを再読み込みしてください。",
            "Credit is added when the money arrives. After you have paid, load this page again.";
        pending_key: "はじめてのご購入では、APIキーはこのページのURLからのみ受け取れます。\
                      ブックマークしておいてください。",
            "Bought for a new account? Its API key is given at this page's address alone: bookmark \
             it.";
        open: "お支払いが完了していません", "Nothing is paid yet";
        open_text: "Stripeの支払いページで手続きを続けてください。料金はまだ発生していません。",
            "Go on at Stripe's payment page. Nothing was charged so far.";
        go_on: "支払いへ進む", "Continue to payment";
        failed: "お支払いが完了しませんでした", "The payment failed";
        failed_text: "入金を確認できなかったため、この購入は終了しました。料金は発生していません。\
                      もう一度購入するには、購入の手続きをやり直してください。",
            "The money did not come, so this purchase is over. Nothing was charged. To buy credit, \
             begin again.";
        expired: "支払いページの期限が切れました", "The payment page has expired";
        cancelled: "購入を中止しました", "Nothing was bought";
        not_charged: "料金は発生していません。もう一度購入するには、購入の手続きをやり直してください。",
            "Nothing was charged. To buy credit, begin again.";
        buy_in_account: "マイページで購入", "Buy in your account";
        to_plans: "料金プランへ", "See the plans";
    }
}
