//! The facts of tables in both languages: types, defaults, ranges, whether a retry helps. One fact
//! has one wording, so that a twin can be held to it word by word.

/// What is said in words. What isn't here, and is no range, is the same in both languages.
const WORDS: [(&str, &str); 61] = [
    // Types.
    ("text", "文字列"),
    ("whole number", "整数"),
    ("number", "数値"),
    ("decimal", "小数"),
    ("percent", "パーセント"),
    ("true or false", "真偽値"),
    ("word", "列挙値"),
    ("section", "セクション"),
    ("path", "パス"),
    ("model", "モデル"),
    ("offset", "時差"),
    ("moment", "日時"),
    ("seconds", "秒"),
    ("milliseconds", "ミリ秒"),
    ("days", "日"),
    ("bytes", "バイト"),
    ("tokens", "トークン"),
    ("yen", "円"),
    ("list of texts", "文字列のリスト"),
    ("list of words", "列挙値のリスト"),
    ("list of models", "モデルのリスト"),
    ("list of sections", "セクションのリスト"),
    ("map of sections", "セクションのマップ"),
    ("map of lists", "リストのマップ"),
    ("kind to word", "種類から列挙値へのマップ"),
    // Defaults.
    ("none", "なし"),
    ("required", "必須"),
    ("empty", "空"),
    ("the name", "`name` と同じ"),
    ("the vendor's", "ベンダーのもの"),
    ("the model's", "モデルと同じ"),
    ("the vendor's own", "ベンダーの価格"),
    ("the catalogue's, else none", "カタログの値、なければなし"),
    ("true for `vendor: llama`", "`vendor: llama` なら true"),
    // Ranges.
    ("any", "任意"),
    ("http or https", "http または https"),
    ("`http://` or `https://`", "`http://` または `https://`"),
    ("numeric host", "HOST は IP アドレス"),
    ("a header, in small letters", "小文字のヘッダー名"),
    ("names of pools", "プール名"),
    ("names of fields", "フィールド名"),
    ("1 to 128 characters, not `auto`", "1〜128 文字、`auto` 以外"),
    ("used once", "ほかと重複しないもの"),
    ("only for `compatible`: see below", "`compatible` のみ。値は下記"),
    ("only for `azure`", "`azure` のみ"),
    ("only for `llama`", "`llama` のみ"),
    ("not for `llama`", "`llama` 以外"),
    ("configured models", "設定にあるモデル"),
    ("configured models, `*`", "設定にあるモデル、`*`"),
    ("a configured model", "設定にあるモデル"),
    ("accounts, each in one group", "アカウント（それぞれ一つのグループだけ）"),
    ("`-14:00` – `+14:00`, `UTC`", "`-14:00`〜`+14:00`、`UTC`"),
    ("regular expressions", "正規表現"),
    ("up to 200", "200 個まで"),
    ("above 0, up to 1000000", "0 より大きく 1000000 以下"),
    ("letters, digits, `-`, `_`; up to 64", "英数字、`-`、`_`。64 文字まで"),
    ("1 to 1000 bytes", "1〜1000 バイト"),
    ("`T` and 13 digits", "`T` と 13 桁の数字"),
    // Whether a retry helps.
    ("yes", "可"),
    ("no", "不可"),
    // Where a metric is set.
    ("not set yet", "まだありません"),
];

/// A cell of facts in Japanese.
pub(crate) fn japanese(cell: &str) -> String {
    if let Some((_, word)) = WORDS.iter().find(|(english, _)| *english == cell) {
        return (*word).to_owned();
    }
    let is_end = |end: &&str| !end.is_empty() && !end.contains(' ');
    if let Some(low) = cell.strip_prefix("from ").filter(is_end) {
        return format!("{low} 以上");
    }
    match cell.split_once(" to ") {
        Some((low, high)) if is_end(&low) && is_end(&high) => format!("{low}〜{high}"),
        _ => cell.to_owned(),
    }
}

#[test]
fn facts_are_told_in_japanese() {
    for (english, expected) in [
        ("whole number", "整数"),
        ("from 1", "1 以上"),
        ("1 to `context`", "1〜`context`"),
        ("`off`, `keys`", "`off`, `keys`"),
        ("7000000", "7000000"),
        ("up to no end", "up to no end"),
    ] {
        assert_eq!(japanese(english), expected);
    }
}
