//! IP addresses, version 4 and 6. Must never take a version number, a loopback address or an
//! address that stands for a whole net.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Recognizers;
use super::rule::{Hit, Rule, small};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const VERSION_4: &str = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}";
const VERSION_6: &str = r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}";
const CONTEXT_BYTES: usize = 60;

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    all.push(Box::new(Rule::own(Kind::IpAddress, Trust::Proof, VERSION_4)?.accept(is_version_4)));
    all.push(Box::new(Rule::own(Kind::IpAddress, Trust::Proof, VERSION_6)?.accept(is_version_6)));
    Ok(())
}

fn is_version_4(hit: &Hit) -> bool {
    let Ok(address) = hit.value().parse::<Ipv4Addr>() else { return false };
    let is_nobodys = address.is_loopback() || address.is_unspecified() || address.octets()[0] == 0;
    if is_nobodys || is_mask(address) || is_net(address, hit) {
        return false;
    }
    !joined(hit) && (is_login(hit) || !is_called_version(hit))
}

/// 255.255.255.192: ones, then zeros. The address of all hosts is one, too.
fn is_mask(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    bits.leading_ones() >= 8 && bits.leading_ones() + bits.trailing_zeros() >= u32::BITS
}

/// 10.0.0.0/8: no bit is left for a host. (203.0.113.9/24 is a host and its net's length.)
fn is_net(address: Ipv4Addr, hit: &Hit) -> bool {
    let length = hit.text_after(3).strip_prefix('/').unwrap_or_default();
    let digits = length.bytes().take_while(u8::is_ascii_digit).count();
    let length = length.get(..digits).and_then(|length| length.parse::<u32>().ok());
    length.is_some_and(|length| {
        length < u32::BITS && address.to_bits().trailing_zeros() >= u32::BITS - length
    })
}

/// Part of a longer dotted or hyphenated token.
fn joined(hit: &Hit) -> bool {
    let before = hit.before().is_some_and(|c| match c {
        '@' => !is_login(hit),
        c => c.is_ascii_alphanumeric() || "._-".contains(c),
    });
    let mut after = hit.text_after(4).chars();
    let after = match after.next() {
        Some('.') => after.next().is_some_and(|c| c.is_ascii_alphanumeric()),
        Some(c) => c.is_ascii_alphanumeric() || c == '_' || c == '-',
        None => false,
    };
    before || after
}

/// `ssh deploy@203.0.113.9`, not `package@1.2.3.4`.
fn is_login(hit: &Hit) -> bool {
    const PROGRAMS: [&str; 6] = ["ssh", "scp", "sftp", "rsync", "ftp ", "telnet"];
    let before = small(hit.text_before(CONTEXT_BYTES));
    let line = before.rsplit('\n').next().unwrap_or_default();
    hit.before() == Some('@') && PROGRAMS.iter().any(|program| line.contains(program))
}

fn is_called_version(hit: &Hit) -> bool {
    const ADDRESS: [&str; 12] = [
        "ip",
        "client",
        "server",
        "サーバ",
        "address",
        "アドレス",
        "host",
        "from user",
        "user",
        "ssh",
        "ping",
        "//",
    ];
    const VERSION: [&str; 29] = [
        "version",
        "バージョン",
        "ver.",
        "upgrade",
        "update",
        "chrome",
        "firefox",
        "windows",
        "safari",
        "build",
        "ビルド",
        "release",
        "リリース",
        "kernel",
        "python",
        "node",
        "sdk",
        "downgrade",
        "edge",
        "ios",
        "android",
        "更新",
        "ファームウェア",
        "firmware",
        "bump",
        "rollback",
        "package",
        "plugin",
        "driver",
    ];
    const USES: [&str; 6] = ["アクセス", "接続", "許可", "遮断", "拒否", "通信"];
    let before = small(hit.text_before(CONTEXT_BYTES));
    let line = before.rsplit('\n').next().unwrap_or_default();
    let after = small(hit.text_after(CONTEXT_BYTES));
    let after = after.split('\n').next().unwrap_or_default();
    let last = |words: &[&str]| words.iter().filter_map(|word| line.rfind(word)).max();
    match (last(&VERSION), last(&ADDRESS)) {
        (Some(version), Some(address)) => version > address,
        (Some(_), None) => true,
        (None, Some(_)) => false,
        (None, None) if USES.iter().any(|word| after.contains(word)) => false,
        (None, None) => ["から", "へ上げ", "-rc", "へ更新"].iter().any(|w| after.contains(w)),
    }
}

fn is_version_6(hit: &Hit) -> bool {
    let value = hit.value();
    let colons = value.bytes().filter(|byte| *byte == b':').count();
    let letters = value.bytes().any(|byte| byte.is_ascii_hexdigit());
    let Ok(address) = value.parse::<Ipv6Addr>() else { return false };
    let before = hit.before().is_some_and(|c| c.is_ascii_alphanumeric() || ":.".contains(c));
    let after = hit.after().is_some_and(|c| c.is_ascii_alphanumeric() || c == ':');
    let long = colons >= 3 || value.len() > 6;
    letters && long && !before && !after && !address.is_loopback() && !address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::super::tests::counting;
    use super::add;

    #[test]
    fn a_net_and_a_mask_are_nobodys() {
        let count = counting(add);
        assert_eq!(count("10.0.0.0/8 and 172.16.0.0/12, mask 255.255.240.0"), 0);
        assert_eq!(count("broadcast 255.255.255.255"), 0);
        assert_eq!(count("host 10.20.30.40/24, 10.0.0.1/8, 192.168.7.0"), 3);
        assert_eq!(count("10.20.30.40/32"), 1);
    }
}
