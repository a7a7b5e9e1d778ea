//! Number plates: Japanese ones (place, class, kana, one to four digits), and others that something
//! calls a plate. Must never take the words before the place.

use super::Recognizers;
use super::rule::{Hit, Rule};
use crate::pii::finding::Trust;
use crate::pii::kind::Kind;

/// The places on plates (Ministry of Land, Infrastructure, Transport and Tourism).
const PLACES: &str = "札幌|函館|旭川|室蘭|苫小牧|釧路|知床|帯広|北見|青森|弘前|八戸|岩手|盛岡|平泉|宮城|仙台|秋田|山形|庄内|\
福島|会津|郡山|白河|いわき|水戸|土浦|つくば|宇都宮|那須|日光|とちぎ|群馬|前橋|高崎|大宮|川口|所沢|川越|熊谷|春日部|越谷|\
千葉|成田|習志野|市川|船橋|袖ケ浦|袖ヶ浦|市原|野田|柏|松戸|品川|世田谷|練馬|杉並|板橋|足立|江東|葛飾|江戸川|八王子|多摩|\
横浜|川崎|湘南|相模|山梨|富士山|新潟|長岡|上越|長野|松本|諏訪|安曇野|南信州|富山|石川|金沢|福井|岐阜|飛騨|静岡|浜松|沼津|伊豆|\
名古屋|尾張小牧|一宮|春日井|三河|岡崎|豊田|豊橋|三重|鈴鹿|四日市|伊勢志摩|滋賀|京都|大阪|なにわ|和泉|堺|神戸|姫路|奈良|飛鳥|\
和歌山|鳥取|島根|出雲|岡山|倉敷|広島|福山|山口|下関|徳島|香川|高松|愛媛|高知|福岡|北九州|久留米|筑豊|佐賀|長崎|佐世保|熊本|\
大分|宮崎|鹿児島|奄美|沖縄|十勝|日立";

const CALLED: &str = concat!(
    r"(?i:\bplates?)(?i: ?(?:number|no\.?|#))?(?: is| was)?[ :=]{1,3}",
    r"([A-Z0-9]{1,5}[ \-]?[A-Z0-9]{2,5})\b"
);

/// Britain's, behind what it is called there: `reg CF19 KTW`.
const REGISTERED: &str = concat!(
    r"(?i:\b(?:reg(?:istration)?|vehicle|VRM))(?i: ?(?:no\.?|number|plate|mark))?[ :.]{1,3}",
    r"([A-Z]{2}[0-9]{2} ?[A-Z]{3})\b"
);

pub(super) fn add(all: &mut Recognizers) -> Result<(), regex::Error> {
    let digits = r"(?:[0-9・.]{1,2} ?-? ?[0-9・.]{1,2}|[0-9]\b)";
    let pattern = format!("(?:{PLACES}) ?[0-9][0-9A-Z]{{1,2}} ?[ぁ-んA-Z] ?{digits}");
    all.push(Box::new(Rule::own(Kind::LicensePlate, Trust::Proof, &pattern)?));
    let called = Rule::own(Kind::LicensePlate, Trust::Context, CALLED)?;
    all.push(Box::new(called.accept(is_plate)));
    all.push(Box::new(Rule::own(Kind::LicensePlate, Trust::Context, REGISTERED)?));
    Ok(())
}

/// Letters and digits together: `plate 10492` is a part's number as well.
fn is_plate(hit: &Hit) -> bool {
    let letters = hit.value().bytes().filter(u8::is_ascii_alphabetic).count();
    let digits = hit.digits().len();
    letters > 0 && digits > 0 && (5..=8).contains(&(letters + digits)) && hit.stands_alone()
}
