//! What the operator's rooms say.

use super::Language;

texts! {
    /// The rooms of the operator.
    Admin {
        live: "ライブ", "Live";
        accounts: "アカウント", "Accounts";
        models: "モデル", "Models";
        router: "ルーター", "Router";
        requests: "リクエスト", "Requests";
        payments: "決済", "Payments";
        config: "設定", "Configuration";
        audit: "操作記録", "Audit log";
        running: "実行中", "Running";
        answered: "応答済み", "Answered";
        failed: "エラー", "Errors";
        refused: "拒否", "Refused";
        refused_hint: "残高・上限・入力の誤り", "credit, limits, wrong requests";
        workers: "ワーカー", "Workers";
        charged: "請求", "Charged";
        since_start: "このゲートウェイの起動後", "this gateway, since it started";
        pools: "プール", "Pools";
        pool: "プール", "Pool";
        slots: "スロット", "Slots";
        free: "空き", "Free";
        line: "順番待ち", "In line";
        queued: "キュー", "Queued";
        worker: "ワーカー", "Worker";
        state: "状態", "State";
        serving: "稼働中", "Serving";
        draining: "終了処理中", "Draining";
        drain: "切り離す", "Drain";
        drain_hint: "実行中の回答は最後まで続け、新しいジョブは受け取らずに終了します。",
            "It finishes what it runs, takes nothing new, and leaves.";
        drains: "ワーカーを切り離しています。実行中の回答が終わると終了します。",
            "The worker drains: it leaves when its running answers have ended.";
        worker_left: "そのワーカーはもういません。", "That worker has left already.";
        worker_silent: "ワーカーから返事がありません。プロセスに SIGTERM を送ってください。",
            "The worker says nothing. Send SIGTERM to its process.";
        lost: "接続断", "Connection lost";
        version: "バージョン", "Version";
        no_workers: "ワーカーがいません。fly-llm worker provider を起動してください。",
            "There is no worker. Start one: fly-llm worker provider.";
        model: "モデル", "Model";
        error_rate: "エラー率", "Error rate";
        p50: "p50", "p50";
        p99: "p99", "p99";
        first_token: "最初のトークン", "First token";
        whole_answer: "回答全体", "Whole answer";
        breaker: "サーキットブレーカー", "Breaker";
        closed: "正常", "Closed";
        half_open: "試行中", "Trying";
        open: "休止中", "Cooling down";
        in_flight: "実行中のリクエスト", "Requests under way";
        account: "アカウント", "Account";
        held: "確保", "Held";
        cancel: "中断", "Cancel";
        cancelled: "リクエストを中断しました。生成済みの分は課金されます。",
            "The request was cut; what was produced is charged.";
        not_running: "そのリクエストはもう終わっています。", "That request has ended already.";
        name: "名前", "Name";
        balance: "残高", "Balance";
        keys: "キー", "Keys";
        spent: "利用額", "Spent";
        spent_month: "今月", "this month";
        outstanding: "全アカウントの残高", "Credit of all accounts";
        outstanding_found: "見つかったアカウントの残高", "Credit of the accounts found";
        no_accounts: "アカウントはまだありません。下のフォームで最初のキーを作成してください。",
            "There is no account yet. Make a first key with the form below.";
        none_found: "見つかりません。IDか名前の一部を変えて探してください。",
            "Nothing was found. Try another part of its ID or name.";
        search: "IDか名前で探す", "Find by ID or name";
        find: "探す", "Search";
        new_account: "新しいアカウントとキー", "A new account with a key";
        make: "作成", "Make";
        made: "キーを作成しました", "The key is made";
        grant: "クレジットを付与", "Grant credit";
        amount: "金額（USD）", "Amount (USD)";
        note: "理由（台帳に残ります）", "Why (stays in the ledger)";
        granted: "付与しました。残高には数秒以内に反映されます。",
            "Granted. It is in the balance within seconds.";
        granted_before: "この付与はすでに済んでいます。何も追加していません。",
            "This grant was made before. Nothing was added.";
        wrong_amount: "0より大きく、100万ドル以下の金額を指定してください。",
            "Give an amount above 0, and at most a million dollars.";
        unknown: "そのアカウントはありません。", "There is no such account.";
        ledger: "台帳", "Ledger";
        ledger_sum: "台帳の合計", "Sum of the ledger";
        agrees: "残高と一致しています", "Agrees with the balance";
        differs: "残高と違います。fly-llm ledger check で確認してください。",
            "Differs from the balance. Look at it with fly-llm ledger check.";
        sequence: "番号", "Sequence";
        when: "日時", "When";
        kind: "種類", "Kind";
        what: "内容", "What";
        kind_use: "利用", "Use";
        kind_void: "料金なし", "No charge";
        kind_grant: "付与", "Grant";
        kind_top_up: "購入", "Purchase";
        kind_bonus: "ボーナス", "Bonus";
        kind_refund: "返金", "Refund";
        kind_refund_failed: "返金の失敗", "Refund failed";
        kind_dispute_opened: "不審請求の申し立て", "Dispute opened";
        kind_dispute_won: "不審請求の申し立ての解決（返還）", "Dispute won";
        kind_expiry: "失効", "Ended";
        kind_snapshot: "締め時の残高", "Balance at a cut";
        kind_counted: "締め時の集計", "Counted at a cut";
        kind_cut: "締め", "Cut";
        kind_closing: "締めの完了", "Cut closed";
        events: "件（新しい順に200件まで表示）", "events (at most the newest 200 are shown)";
        late: "遅延（計上なし）", "late, not counted";
        revoke: "削除", "Revoke";
        revoke_ask: "このキーを削除しますか？", "Revoke this key?";
        revoke_told: "削除すると、このキーを使うリクエストはすぐに拒否されます。元に戻せません。",
            "Requests with it are refused at once. This can't be undone.";
        no_key: "そのキーはもうありません。", "That key is gone already.";
        back: "戻る", "Back";
        revoked: "キーを削除しました。", "The key is revoked.";
        tier: "ティア", "Tier";
        vendor: "提供元", "Provider";
        context: "コンテキスト", "Context";
        offered: "提供中", "Offered";
        not_offered: "停止中", "Not offered";
        input: "入力", "Input";
        cached: "キャッシュ", "Cached";
        output: "出力", "Output";
        fallbacks: "代替", "Fallbacks";
        router_text: "プロンプトを貼り付けると、auto がどう判断するかを表示します。\
                      送信も課金もされません。",
            "Paste a prompt to see what auto would do. Nothing is sent, nothing is charged.";
        prompt: "プロンプト", "Prompt";
        explain: "判定する", "Explain";
        language: "言語", "Language";
        task: "種類", "Task";
        difficulty: "難しさ", "Difficulty";
        tokens: "推定トークン", "Tokens, estimated";
        chosen: "選択", "Chosen";
        reason: "理由", "Reason";
        place: "順位", "Place";
        quality: "期待品質", "Expected quality";
        worst_cost: "最大費用", "Cost at worst";
        wait: "待ち時間", "Wait";
        score: "スコア", "Score";
        left_out: "対象外", "Left out";
        request_id: "リクエストID", "Request ID";
        account_id: "アカウントID", "Account ID";
        requests_hint: "アカウントIDで直近のリクエスト、リクエストIDで明細を表示します。",
            "An account ID shows its last requests; with a request ID you get the receipt.";
        payments_text: "署名の正しいStripeイベントです。カードや個人の情報は保存しません。",
            "Signed events of Stripe. No card and nothing of a person is kept.";
        margin: "粗利", "Margin";
        margin_text: "直近30日の請求額と、同じトークンに対するモデル提供元の現在の単価での原価の比較です。\
                      途中で失敗して請求しなかった分の原価は含みません。",
            "What was charged in the last 30 days beside what the vendors' present prices make of \
             the same tokens. What failed and was not charged is not in it.";
        charged_30: "請求（30日）", "Charged (30 days)";
        charged_by_day: "日別（UTC）の請求（USD、直近30日）", "Charged by day (UTC; USD, last 30 days)";
        vendor_cost: "提供元の原価", "Vendors' cost";
        where_known: "原価がわかるモデルの合計", "of models whose cost is known";
        cost_unknown: "原価不明の請求", "Charged, cost not known";
        cost_hint: "config.yaml の models[].cost に原価を書くと計算されます。",
            "Write models[].cost into config.yaml and it is counted.";
        all_known: "すべてのモデルの原価がわかっています", "the cost of every model is known";
        not_known: "原価不明", "Not known";
        in_part: "一部", "in part";
        share: "粗利率", "Share";
        no_margin: "直近30日に請求はありません。利用があると、ここに粗利が表示されます。",
            "Nothing was charged in the last 30 days. The margin shows here once something is.";
        object: "対象", "About";
        event: "イベント", "Event";
        last_events: "最近のイベント（新しい順に200件まで）", "Last events (the newest 200)";
        counts: "起動後の件数", "Counts since the start";
        outcome_done: "反映済み", "Done";
        outcome_passed_over: "反映できません", "Passed over";
        outcome_again: "再送待ち", "Comes again";
        outcome: "結果", "Outcome";
        count: "件数", "Count";
        no_events: "まだイベントはありません。StripeのWebhookに /webhooks/stripe を登録すると届きます。",
            "No event has come yet. Register /webhooks/stripe as a webhook at Stripe.";
        config_text: "読み込まれた設定です。シークレットは *** で表示されます。",
            "The configuration as it was loaded. Secrets show as ***.";
        listening: "待ち受け中のアドレス（API、メトリクス）:", "Listens at (API, metrics):";
        audit_text: "管理画面での操作です。ログ（target=audit）にも残ります。",
            "What was done from these pages. The log (target=audit) has it, too.";
        no_audit: "まだ操作はありません。", "Nothing was done yet.";
        done: "操作", "What was done";
    }
}
