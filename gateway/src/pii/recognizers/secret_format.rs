//! Secrets that their own format gives away: the tokens of services, private keys, signed tokens.
//! Must never take a hash, an identifier or a word.

use super::Recognizers;
use super::rule::Rule;
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

const PRIVATE_KEY: &str = concat!(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s:,.\\\-]",
    r"+?-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
);
/// A key whose end was cut off: whole lines of base64.
const CUT_KEY: &str = concat!(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:\\n|\s)*(?:[A-Za-z0-",
    r"9+/=]{40,}(?:\\n|\s)*)+"
);
const SIGNED_TOKEN: &str = r"\bey[A-Za-z0-9_\-]{10,}\.ey[A-Za-z0-9_\-]{4,}(?:\.[A-Za-z0-9_\-]*)?";

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    for pattern in [PRIVATE_KEY, CUT_KEY, SIGNED_TOKEN] {
        all.push(Box::new(Rule::own(Kind::Secret, Trust::Proof, pattern)?));
    }
    let tokens = format!(r"\b(?:{})", TOKENS.join("|"));
    all.push(Box::new(Rule::own(Kind::Secret, Trust::Proof, &tokens)?));
    Ok(())
}

/// One entry for each format, by the prefix that its service documents.
const TOKENS: [&str; 88] = [
    r"(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA|A3T[A-Z0-9])[A-Z0-9]{16}\b",
    r"ABSK[A-Za-z0-9+/]{60,}={0,2}",
    r"bedrock-api-key-[A-Za-z0-9+/=_\-]{20,}",
    r"LTAI[A-Za-z0-9]{16,24}\b",
    r"AKID[A-Za-z0-9]{28,40}\b",
    r"AIza[A-Za-z0-9_\-]{30,60}",
    r"ya29\.[A-Za-z0-9_\-]{20,}",
    r"GOCSPX-[A-Za-z0-9_\-]{20,40}",
    r"gh[pousr]_[A-Za-z0-9]{30,}",
    r"github_pat_[A-Za-z0-9_]{40,}",
    r"gl(?:pat|ptt|dt|rt|cbt|ft|imt|agent|oas|soat|ffct|rtr)-[A-Za-z0-9_=.\-]{16,}",
    r"GR1348941[A-Za-z0-9_\-]{16,30}",
    r"glsa_[A-Za-z0-9]{30,}_[A-Fa-f0-9]{8}",
    r"glc_[A-Za-z0-9+/=]{20,}",
    r"eyJrIjoi[A-Za-z0-9+/=]{30,}",
    r"xox[a-z]-[A-Za-z0-9\-]{10,}",
    r"xox[a-z]\.xox[a-z]-[A-Za-z0-9\-]{10,}",
    r"xapp-[0-9]+-[A-Za-z0-9\-]{10,}",
    r"https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{20,}",
    r"https://(?:ptb\.|canary\.)?discord(?:app)?\.com/api/webhooks/[0-9]{10,}/[A-Za-z0-9_\-]{30,}",
    r"https://[a-z0-9\-]{1,64}\.webhook\.office\.com/[A-Za-z0-9@/\-]{40,}",
    r"[MNO][A-Za-z0-9_\-]{23,25}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,38}\b",
    r"(?:sk|rk|pk)_(?:live|test|prod)_[A-Za-z0-9]{10,}",
    r"whsec_[A-Za-z0-9+/=]{16,}",
    r"sk-(?:ant|proj|svcacct|admin|or|lf)-[A-Za-z0-9_\-]{16,}",
    r"sk-[A-Za-z0-9]{20,}(?:T3BlbkFJ[A-Za-z0-9]{20,})?",
    r"pplx-[A-Za-z0-9]{30,}",
    r"gsk_[A-Za-z0-9]{30,}",
    r"xai-[A-Za-z0-9]{40,}",
    r"r8_[A-Za-z0-9]{30,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"api_org_[A-Za-z0-9]{30,}",
    r"nvapi-[A-Za-z0-9_\-]{40,}",
    r"fw_[A-Za-z0-9]{20,}\b",
    r"tvly-[A-Za-z0-9\-]{20,}",
    r"lsv2_(?:pt|sk)_[A-Za-z0-9]{32}_[A-Za-z0-9]{10}",
    r"npm_[A-Za-z0-9]{30,}",
    r"key-[a-f0-9]{32}\b",
    r"[0-9]{8,10}:AA[A-Za-z0-9_\-]{33}\b",
    r"tskey-[a-z]{2,12}-[A-Za-z0-9]{8,}-[A-Za-z0-9]{16,}",
    r"re_[A-Za-z0-9]{6,12}_[A-Za-z0-9]{20,}\b",
    r"rpa_[A-Z0-9]{30,}|jina_[A-Za-z0-9_\-]{40,}",
    r"pypi-[A-Za-z0-9_\-]{16,}",
    r"rubygems_[a-f0-9]{40,}",
    r"CLOJARS_[A-Za-z0-9]{40,}",
    r"cio[A-Za-z0-9]{32}\b",
    r"dckr_(?:pat|oat)_[A-Za-z0-9_\-]{20,}",
    r"do[opr]_v1_[a-f0-9]{40,}",
    r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9.\-_]{30,}",
    r"dapi[a-f0-9]{32}(?:-[0-9])?",
    r"doppler_[A-Za-z0-9]{30,}",
    r"dt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{60,}",
    r"EAA[A-Za-z0-9\-]{25,}",
    r"EZ[AT]K[A-Za-z0-9]{50,}",
    r"FLW(?:PUBK|SECK)_TEST-[A-Za-z0-9]{10,}(?:-X)?",
    r"f(?:o1|m1[ar]|m2)_[A-Za-z0-9+/=_\-]{30,}",
    r"figd_[A-Za-z0-9_\-]{30,}",
    r"HRKU-[A-Za-z0-9_\-]{30,}",
    r"hvs\.[A-Za-z0-9_\-]{20,}|hvb\.[A-Za-z0-9_\-]{40,}|s\.[A-Za-z0-9]{24}\b",
    r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9\-_=]{40,}",
    r"ATATT3[A-Za-z0-9_\-=]{40,}|ATCTT3[A-Za-z0-9_\-=]{40,}|ATBB[A-Za-z0-9]{28,}",
    r"lin_api_[A-Za-z0-9]{30,}",
    r"ntn_[A-Za-z0-9]{30,}|secret_[A-Za-z0-9]{40,}",
    r"NRAK-[A-Z0-9]{20,}|NRAA-[a-f0-9]{20,}|NRJS-[a-f0-9]{15,}|NRII-[A-Za-z0-9\-]{30,}",
    r"oy2[a-z0-9]{43}\b",
    r"ops_eyJ[A-Za-z0-9+/=]{60,}",
    r"A3-[A-Z0-9]{6}-[A-Z0-9]{5,11}(?:-[A-Z0-9]{5,6}){3,5}",
    r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9=._\-]{24,}",
    r"PMAK-[a-f0-9]{20,}-[a-f0-9]{30,}",
    r"phc_[A-Za-z0-9]{40,}|phx_[A-Za-z0-9]{40,}",
    r"pnu_[A-Za-z0-9]{30,}|rdme_[a-z0-9]{60,}|pul-[a-f0-9]{30,}",
    r"pat[A-Za-z0-9]{14}\.[a-f0-9]{40,}",
    r"p8e-[A-Za-z0-9]{30,}",
    r"patroni_[A-Za-z0-9]{20,}|v1\.0-[a-f0-9]{24}-[a-f0-9]{100,}",
    r"SG\.[A-Za-z0-9_=\-.]{20,}",
    r"SK[a-f0-9]{32}\b|AC[a-f0-9]{32}\b",
    r"sgp_(?:[A-Fa-f0-9]{16}_|local_)?[A-Fa-f0-9]{40}\b",
    r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{30,}",
    r"shippo_(?:live|test)_[A-Fa-f0-9]{30,}",
    r"sntry[su]_[A-Za-z0-9+/=_]{40,}",
    r"sq0(?:atp|csp|idp)-[A-Za-z0-9_\-]{20,}",
    r"sbp_[a-f0-9]{40}\b|sb_(?:secret|publishable)_[A-Za-z0-9_\-]{20,}",
    r"s-s4t2(?:ud|af)-[a-f0-9]{60,}",
    concat!(
        r"(?:sc|ext|scauth|authress)_[A-Za-z0-9]{5,30}\.[A-Za-z0-9]{4,6}\.acc[_\-][A-Z",
        r"a-z0-9+/_=.\-]{30,}"
    ),
    r"tk-us-[A-Za-z0-9_\-]{40,}|tfp_[A-Za-z0-9_\-]{40,}|vc[pkir]_[A-Za-z0-9]{20,}",
    r"t1\.[A-Z0-9a-z_\-]+=*\.[A-Z0-9a-z_\-]{80,}|AQVN[A-Za-z0-9_\-]{35,}|YC[A-Za-z0-9_\-]{38}\b",
    r"xkeysib-[a-f0-9]{60,}-[A-Za-z0-9]{10,}|xsmtpsib-[a-f0-9]{40,}-[A-Za-z0-9]{10,}",
    concat!(
        r"AGE-SECRET-KEY-1[A-Z0-9]{50,}|AKCp[A-Za-z0-9]{60,}|cmVmd[A-Za-z0-9]{55,}|4b1",
        r"d[A-Za-z0-9]{38}\b"
    ),
];
