//! What the first page says.

use super::Language;

texts! {
    /// The first page, and the doors.
    Landing {
        title: "一つのAPIで、すべてのモデルを", "One API for every model";
        lead: "OpenAI互換。日本語に強い自動ルーター、個人情報のマスキング、\
               前払いクレジット。429の代わりに順番を待ちます。",
            "OpenAI-compatible. A router that is right in Japanese too, personal data masked \
             before it leaves, prepaid credit, and a fair queue instead of a 429.";
        buy: "クレジットを購入", "Buy credit";
        have_key: "APIキーでサインイン", "Sign in with an API key";
        point_money: "二重請求のない課金", "Charged once, to the micro-dollar";
        point_money_text: "すべてのトークンは台帳に一度だけ記録され、残高はいつでも再計算できます。",
            "Every token is written to a ledger exactly once; a balance can be replayed any time.";
        point_privacy: "個人情報を伏せて送信", "Personal data is masked";
        point_privacy_text: "見つかった電話番号や氏名などを送信前に置き換え、回答の中で元に戻します。\
                             すべてを見つけられるわけではありません。",
            "Names and numbers that are found are replaced before the queue and restored in your \
             answer. No detector finds everything.";
        point_queue: "エラーではなく、順番待ち", "It waits instead of refusing";
        point_queue_text: "混雑時は順番と予想待ち時間をお知らせし、長くなる場合は設定された代わりのモデルに振り替えます。",
            "Under load you are told your place and the wait; when it is long, a model that was \
             set up as a fallback takes over.";
        first: "最初のリクエスト", "Your first request";
        first_text: "base_url を変えるだけで、今のコードがそのまま動きます。",
            "Change base_url and the code you have keeps working.";
        models: "いま使えるモデル", "Models you can use now";
        models_text: "価格は100万トークンあたりのUSDです。", "Prices in USD per million tokens.";
        model: "モデル", "Model";
        context: "コンテキスト", "Context";
        input: "入力", "Input";
        cached: "キャッシュ入力", "Cached";
        output: "出力", "Output";
        tier_economy: "エコノミー", "Economy";
        tier_standard: "スタンダード", "Standard";
        tier_premium: "プレミアム", "Premium";
        local: "自社サーバーで実行", "Runs on our own machines";
        no_models: "いま動いているモデルはありません。ワーカーが起動するとここに表示されます。",
            "No model is served right now. They appear here when a worker joins.";
        plans: "料金プラン", "Plans";
        plans_text: "前払いで、使った分だけ差し引かれます。月額料金はありません。",
            "Prepaid: you pay for what you use. No subscription.";
        credit: "のクレジット", "of credit";
        bonus: "ボーナス", "bonus";
        credit_days: "クレジットの有効期限は購入から*日です。",
            "Credit ends * days after its purchase.";
        sold_by: "販売者:", "Sold by";
        terms: "特定商取引法に基づく表記・返金", "The seller and refunds";
        no_plans: "このサーバーではクレジットを販売していません。運営者にキーを依頼してください。",
            "No credit is sold on this server. Ask its operator for a key.";
        email: "メールアドレス", "E-mail address";
        currency: "通貨", "Currency";
        yen: "日本円", "Japanese yen";
        dollar: "米ドル", "US dollars";
        email_hint: "領収書の宛名と、Stripeからの連絡に使います。お支払い完了後に表示される画面で、\
                     APIキーを受け取れます。",
            "It stands on your receipt, and Stripe writes to it. The page that opens after you \
             have paid gives you your API key.";
        has_account: "すでにアカウントをお持ちですか？", "Do you have an account already?";
        buy_signed_in: "サインインして購入", "Sign in to buy";
        to_stripe: "Stripeの支払いページを開いています", "Opening Stripe's payment page";
        to_stripe_text: "自動で移動しない場合は、下のボタンを押してください。",
            "If nothing happens, use the button below.";
        continue_: "支払いへ進む", "Continue to payment";
        sign_in: "サインイン", "Sign in";
        sign_in_text: "APIキー（sk-fly-…）でサインインします。キーはこのブラウザーに暗号化して保存され、\
                       サインアウトで消えます。",
            "Sign in with an API key (sk-fly-…). It is kept sealed in this browser and goes when \
             you sign out.";
        api_key: "APIキー", "API key";
        key_wrong: "このAPIキーではサインインできません。コピーし直すか、新しいキーの発行を運営者に依頼してください。",
            "You can't sign in with this API key. Copy it again, or ask the operator for a new \
             one.";
        too_often: "試行が多すぎます。1分ほど待ってからもう一度お試しください。",
            "Too many attempts. Wait about a minute and try again.";
        admin_sign_in: "運営者のサインイン", "Operator sign-in";
        admin_text: "ADMIN_API_KEY でサインインします。12時間後に自動的にサインアウトします。",
            "Sign in with ADMIN_API_KEY. You are signed out after 12 hours.";
        admin_key: "管理キー", "Admin key";
        admin_none: "ADMIN_API_KEY が設定されていないため、管理画面は使えません。\
                     環境変数を設定して再起動してください。",
            "The admin pages need ADMIN_API_KEY. Set it in the environment and start again.";
    }
}
