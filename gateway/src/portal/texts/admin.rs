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
        workers: "ワーカー", "Workers";
        charged: "請求", "Charged";
        since_start: "起動後、このゲートウェイ", "this gateway, since it started";
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
        lost: "接続断", "Connection lost";
        version: "版", "Version";
        no_workers: "ワーカーがいません。fly-llm worker provider を起動してください。",
            "There is no worker. Start one: fly-llm worker provider.";
        model: "モデル", "Model";
        error_rate: "エラー率", "Error rate";
        p50: "p50", "p50";
        p99: "p99", "p99";
        first_token: "最初のトークン", "First token";
        breaker: "遮断器", "Breaker";
        closed: "正常", "Closed";
        half_open: "試行中", "Trying";
        open: "休止中", "Cooling down";
        in_flight: "実行中のリクエスト", "Requests under way";
        account: "アカウント", "Account";
        held: "予約", "Held";
        cancel: "中断", "Cancel";
        cancelled: "リクエストを中断しました。", "The request was cut; what was produced is charged.";
        not_running: "そのリクエストはもう終わっています。", "That request has ended already.";
        name: "名前", "Name";
        balance: "残高", "Balance";
        keys: "キー", "Keys";
        spent: "利用額", "Spent";
        spent_month: "今月", "this month";
        outstanding: "全アカウントの残高", "Credit of all accounts";
        no_accounts: "アカウントはまだありません。下のフォームで最初のキーを作成してください。",
            "There is no account yet. Make a first key with the form below.";
        search: "IDか名前で探す", "Find by ID or name";
        find: "探す", "Search";
        new_account: "新しいアカウントとキー", "A new account with a key";
        make: "作成", "Make";
        made: "キーを作成しました", "The key is made";
        grant: "クレジットを付与", "Grant credit";
        amount: "金額 (USD)", "Amount (USD)";
        note: "理由 (明細に残ります)", "Why (stays in the ledger)";
        granted: "付与しました。残高には数秒以内に反映されます。",
            "Granted. It is in the balance within seconds.";
        wrong_amount: "0より大きい金額を指定してください。", "Give an amount above 0.";
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
        events: "件", "events";
        late: "遅延 (計上なし)", "late, not counted";
        latest: "新しい順に200件まで", "The newest 200";
        revoke: "削除", "Revoke";
        revoked: "キーを削除しました。", "The key is revoked.";
        tier: "等級", "Tier";
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
        explain: "説明する", "Explain";
        language: "言語", "Language";
        task: "種類", "Task";
        difficulty: "難しさ", "Difficulty";
        tokens: "推定トークン", "Tokens, estimated";
        chosen: "選択", "Chosen";
        reason: "理由", "Reason";
        place: "順位", "Place";
        quality: "期待品質", "Expected quality";
        worst_cost: "最悪時の料金", "Cost at worst";
        wait: "待ち時間", "Wait";
        score: "得点", "Score";
        left_out: "対象外", "Left out";
        request_id: "リクエストID", "Request ID";
        account_id: "アカウントID", "Account ID";
        requests_hint: "アカウントIDで直近のリクエスト、リクエストIDで明細を表示します。",
            "An account ID shows its last requests; with a request ID you get the receipt.";
        payments_text: "このゲートウェイが受け取った、署名の正しいStripeイベントの数です。",
            "Signed events of Stripe that this gateway received.";
        object: "対象", "About";
        outcome: "結果", "Outcome";
        count: "件数", "Count";
        no_events: "まだイベントはありません。", "No event has come yet.";
        config_text: "読み込まれた設定です。秘密の値は *** で表示されます。",
            "The configuration as it was loaded. Secrets show as ***.";
        audit_text: "管理画面での操作です。ログ (target=audit) にも残ります。",
            "What was done from these pages. The log (target=audit) has it, too.";
        no_audit: "まだ操作はありません。", "Nothing was done yet.";
        done: "操作", "What was done";
    }
}
