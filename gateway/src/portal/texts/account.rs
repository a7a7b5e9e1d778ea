//! What the customer's rooms say.

use super::Language;

texts! {
    /// The rooms of an account.
    Account {
        overview: "概要", "Overview";
        playground: "プレイグラウンド", "Playground";
        usage: "利用状況", "Usage";
        requests: "リクエスト", "Requests";
        keys: "APIキー", "API keys";
        credit: "クレジット", "Credit";
        available: "利用できる残高", "Available";
        balance: "残高", "Balance";
        held: "実行中の確保額", "Held for running requests";
        spent_30: "直近30日の利用", "Spent in 30 days";
        requests_30: "直近30日のリクエスト", "Requests in 30 days";
        cache_hits: "うちキャッシュ", "from cache";
        top_up: "クレジットを追加", "Add credit";
        lots: "残高の内訳", "What it is made of";
        lot_kind: "種類", "Kind";
        lot_grant: "付与", "Granted";
        lot_bought: "購入", "Bought";
        lot_bonus: "ボーナス", "Bonus";
        granted: "当初", "At first";
        left: "残り", "Left";
        expires: "有効期限", "Good until";
        never: "期限なし", "No end";
        owed: "不足分", "Owed";
        no_lots: "クレジットはまだありません。購入すると、すぐに使えます。",
            "There is no credit yet. Buy some and it is good at once.";
        by_day: "日別（UTC）の料金（USD、直近30日）", "Cost by day (UTC; USD, last 30 days)";
        by_day_of: "日別（UTC）の*", "* by day (UTC)";
        cost_usd: "料金（USD）", "Cost (USD)";
        span: "期間", "Days";
        days: "日", " days";
        measure: "表示する値", "What is counted";
        split: "内訳", "Split";
        last_requests: "最近のリクエスト", "Last requests";
        all_requests: "すべてのリクエスト", "All requests";
        connect: "APIにつなぐ", "Connect";
        connect_text: "OpenAI互換のクライアントに、このアドレスとAPIキーを設定します。",
            "Give any OpenAI-compatible client this address and an API key.";
        first_request: "最初のリクエストの例", "A first request";
        by_model: "モデル別", "By model";
        by_key: "キー別", "By key";
        day: "日付（UTC）", "Day (UTC)";
        model: "モデル", "Model";
        key: "キー", "Key";
        count: "リクエスト", "Requests";
        tokens: "トークン", "Tokens";
        tokens_in: "入力トークン", "Input tokens";
        tokens_out: "出力トークン", "Output tokens";
        cost: "料金", "Cost";
        others: "その他", "Others";
        deleted_key: "削除済みのキー", "deleted key";
        no_usage: "まだ利用がありません。プレイグラウンドか、最初のリクエストを試してください。",
            "Nothing was used yet. Try the playground, or send a first request.";
        to_playground: "プレイグラウンドを開く", "Open the playground";
        csv: "CSVでダウンロード", "Download as CSV";
        when: "日時（日本時間）", "When (Japan)";
        request: "リクエスト", "Request";
        status: "結果", "Result";
        receipt: "明細", "Receipt";
        void: "料金なし", "No charge";
        input: "入力", "input";
        cache_read: "キャッシュ読み取り", "cache read";
        cache_write: "キャッシュ書き込み", "cache write";
        output: "出力", "output";
        reasoning: "推論", "reasoning";
        cached: "キャッシュ", "Cached";
        outcome_complete: "完了", "Complete";
        outcome_partial: "途中まで", "Partial";
        outcome_cancelled: "中断", "Cancelled";
        find: "リクエストIDで探す", "Find by request ID";
        search: "探す", "Search";
        not_found: "このアカウントにそのリクエストはありません。x-request-id を確認してください。",
            "This account has no such request. Look at its x-request-id.";
        price_row: "単価（100万トークン）", "Price (million tokens)";
        hold: "確保額", "Held";
        started: "開始", "Began";
        ended: "記録", "Recorded";
        writer: "記録元", "Written by";
        counted_by: "トークン数の算出方法", "Tokens counted by";
        name: "名前", "Name";
        created: "作成", "Made";
        limits: "制限", "Limits";
        spent: "利用額", "Spent";
        none: "なし", "None";
        this_key: "このキー", "this key";
        new_key: "新しいキー", "A new key";
        make_key: "キーを作成", "Make key";
        name_hint: "用途がわかる名前にします。", "What it is for, so that you know it later.";
        budget: "予算（USD）", "Budget (USD)";
        budget_hint: "このキーで使える合計額です。空欄の場合は残高まで使えます。",
            "What it may spend in all. Empty: as far as credit goes.";
        ends: "有効期限", "Ends on";
        ends_hint: "日本時間の0時に無効になります。", "It ends at midnight in Japan.";
        models: "使えるモデル", "Models";
        models_hint: "選択しない場合はすべてのモデルを使えます。", "Choose none for all of them.";
        rpm: "1分あたりのリクエスト数", "Requests a minute";
        tpm: "1分あたりのトークン数", "Tokens a minute";
        per_day: " / 日", " a day";
        per_week: " / 週", " a week";
        per_month: " / 月", " a month";
        parallel: "同時リクエスト数", "Requests at once";
        made: "キーを作成しました", "The key is made";
        rotated: "キーを再発行しました", "The key has a new secret";
        shown_once: "このキーは今だけ表示されます。閉じる前に保存してください。",
            "It is shown now and never again. Keep it before you leave this page.";
        key_before: "表示されたキーを保存していない場合は、再発行してください。",
            "If you didn't keep the key that was shown, rotate it.";
        rotate: "再発行", "Rotate";
        revoke: "削除", "Revoke";
        similar: "言い換え", "other wordings";
        similar_on: "言い換えにも保存済みの回答を使う", "Use answers to other wordings";
        similar_off: "言い換えには保存済みの回答を使わない", "No answers to other wordings";
        similar_told: "同じ質問の言い換えに、保存済みの回答を返します。",
            "Another wording of a question gets the answer that is kept.";
        revoke_ask: "このキーを削除しますか？", "Revoke this key?";
        revoke_told: "削除すると、このキーを使うリクエストはすぐに拒否されます。元に戻せません。",
            "Requests with it are refused at once. This can't be undone.";
        rotate_ask: "このキーを再発行しますか？", "Rotate this key?";
        rotate_told: "新しいキーが発行され、今のキーはすぐに使えなくなります。",
            "You get a new secret, and the present one is refused at once.";
        back: "戻る", "Back";
        may_not: "制限のあるキーでサインインしているため、キーは変更できません。\
                  制限のないキーでサインインしてください。",
            "You signed in with a key that has limits, which can't change keys. Sign in with one \
             that has none.";
        no_key: "そのキーはこのアカウントにありません。", "This account has no such key.";
        coupon: "クーポン", "Coupon";
        code_label: "クーポンコード", "Code";
        redeem: "クレジットに交換", "Redeem";
        redeemed: "クーポンをクレジットに交換しました。残高には数秒以内に反映されます。",
            "The coupon became credit. It is in the balance within seconds.";
        purchases: "購入履歴", "Purchases";
        plan: "プラン", "Plan";
        paid: "お支払い", "Paid";
        refunded: "返金額", "Refunded";
        own_amount: "金額指定", "Own amount";
        no_purchases: "購入はまだありません。", "Nothing was bought yet.";
        statements: "利用明細（月別）", "Monthly statements";
        not_sold: "このサーバーではクレジットを販売していません。運営者に付与を依頼してください。",
            "No credit is sold on this server. Ask its operator for a grant.";
        paper: "領収書", "Receipt";
        print: "表示・印刷", "Show, to print";
        talk_hint: "Ctrl+Enter で送信します。送った内容は通常のリクエストと同じように課金されます。",
            "Ctrl+Enter sends. What you send is charged like any other request.";
        talk_intro: "メッセージを送ると、autoが合うモデルを選び、回答・理由・料金を表示します。\
                     見つかった個人情報は送信前に隠されます。",
            "Send a message: auto picks a model that fits, and you see the answer, why, and what \
             it cost. Personal data that is found is hidden before it leaves.";
        message: "メッセージ", "Message";
        system: "システムプロンプト", "System prompt";
        temperature: "Temperature", "Temperature";
        max_tokens: "最大出力トークン", "Most output tokens";
        send: "送信", "Send";
        stop: "停止", "Stop";
        stopped: "停止しました", "Stopped";
        anew: "新しい会話", "New conversation";
        code: "コードとしてコピー", "Copy as code";
        code_empty: "送信すると、同じリクエストのコードがここに表示されます。",
            "Send a message and the same request appears here as code.";
        failed: "回答が途中で切れました。もう一度お試しください。",
            "The answer broke off. Please try again.";
        needs_script: "プレイグラウンドにはJavaScriptが必要です。", "The playground needs JavaScript.";
        reason: "理由", "Reason";
        masked: "マスク", "Masked";
        hidden: "送信前に隠した内容", "Hidden before it was sent";
        queue: "待ち", "Queued";
        speed: "速度", "Speed";
        tokens_a_second: "トークン/秒", "tokens/s";
        first_token: "最初のトークンまで", "First token";
        took: "合計時間", "In all";
        auto: "自動（auto）", "Automatic (auto)";
        settings: "設定", "Settings";
        conversation: "会話", "Conversation";
    }
}
