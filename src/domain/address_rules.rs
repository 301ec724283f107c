//! What a supplier's form wants of an address, country by country: a table of rules, each with the field it is about.
//! It must never mend an address by guessing, and never repeat one: a reason names the field and what is wanted of it.

use super::order::Buyer;
use super::words;

/// Calling codes of the countries most sold to. A phone of another country must be written without its code.
#[rustfmt::skip]
const CALLING_CODES: &[(&str, &str)] = &[
    ("US", "1"), ("CA", "1"), ("GB", "44"), ("IE", "353"), ("DE", "49"), ("FR", "33"), ("ES", "34"), ("IT", "39"),
    ("PT", "351"), ("NL", "31"), ("BE", "32"), ("LU", "352"), ("AT", "43"), ("CH", "41"), ("SE", "46"), ("NO", "47"),
    ("DK", "45"), ("FI", "358"), ("IS", "354"), ("PL", "48"), ("CZ", "420"), ("SK", "421"), ("HU", "36"),
    ("RO", "40"), ("BG", "359"), ("GR", "30"), ("HR", "385"), ("SI", "386"), ("EE", "372"), ("LV", "371"),
    ("LT", "370"), ("UA", "380"), ("TR", "90"), ("IL", "972"), ("SA", "966"), ("AE", "971"), ("ZA", "27"),
    ("DZ", "213"), ("MA", "212"), ("EG", "20"), ("NG", "234"), ("KE", "254"), ("AU", "61"), ("NZ", "64"),
    ("JP", "81"), ("KR", "82"), ("SG", "65"), ("MY", "60"), ("TH", "66"), ("PH", "63"), ("ID", "62"), ("VN", "84"),
    ("IN", "91"), ("PK", "92"), ("BR", "55"), ("MX", "52"), ("AR", "54"), ("CL", "56"), ("CO", "57"), ("PE", "51"),
];

/// Where the form takes Arabic as well as Latin letters.
const ARABIC_TOO: [&str; 4] = ["SA", "AE", "KW", "QA"];

/// The form asks for Italy's regions; people and PayPal write the codes of the provinces.
#[rustfmt::skip]
const ITALY: &[(&str, &str)] = &[
    ("Abruzzo", "AQ CH PE TE"), ("Basilicata", "MT PZ"), ("Calabria", "CS CZ KR RC VV"),
    ("Campania", "AV BN CE NA SA"), ("Emilia-Romagna", "BO FC FE MO PC PR RA RE RN"),
    ("Friuli-Venezia Giulia", "GO PN TS UD"), ("Lazio", "FR LT RI RM VT"), ("Liguria", "GE IM SP SV"),
    ("Lombardia", "BG BS CO CR LC LO MB MI MN PV SO VA"), ("Marche", "AN AP FM MC PU"), ("Molise", "CB IS"),
    ("Piemonte", "AL AT BI CN NO TO VB VC"), ("Puglia", "BA BR BT FG LE TA"), ("Sardegna", "CA NU OR SS SU"),
    ("Sicilia", "AG CL CT EN ME PA RG SR TP"), ("Toscana", "AR FI GR LI LU MS PI PO PT SI"),
    ("Trentino-Alto Adige", "BZ TN"), ("Umbria", "PG TR"), ("Valle d'Aosta", "AO"),
    ("Veneto", "BL PD RO TV VE VI VR"),
];

/// AliExpress wants the names of the states of the USA; PayPal and buyers write their codes.
#[rustfmt::skip]
const US_STATES: &[(&str, &str)] = &[
    ("Alabama", "AL"), ("Alaska", "AK"), ("Arizona", "AZ"), ("Arkansas", "AR"), ("California", "CA"),
    ("Colorado", "CO"), ("Connecticut", "CT"), ("Delaware", "DE"), ("District of Columbia", "DC"), ("Florida", "FL"),
    ("Georgia", "GA"), ("Hawaii", "HI"), ("Idaho", "ID"), ("Illinois", "IL"), ("Indiana", "IN"), ("Iowa", "IA"),
    ("Kansas", "KS"), ("Kentucky", "KY"), ("Louisiana", "LA"), ("Maine", "ME"), ("Maryland", "MD"),
    ("Massachusetts", "MA"), ("Michigan", "MI"), ("Minnesota", "MN"), ("Mississippi", "MS"), ("Missouri", "MO"),
    ("Montana", "MT"), ("Nebraska", "NE"), ("Nevada", "NV"), ("New Hampshire", "NH"), ("New Jersey", "NJ"),
    ("New Mexico", "NM"), ("New York", "NY"), ("North Carolina", "NC"), ("North Dakota", "ND"), ("Ohio", "OH"),
    ("Oklahoma", "OK"), ("Oregon", "OR"), ("Pennsylvania", "PA"), ("Puerto Rico", "PR"), ("Rhode Island", "RI"),
    ("South Carolina", "SC"), ("South Dakota", "SD"), ("Tennessee", "TN"), ("Texas", "TX"), ("Utah", "UT"),
    ("Vermont", "VT"), ("Virginia", "VA"), ("Washington", "WA"), ("West Virginia", "WV"), ("Wisconsin", "WI"),
    ("Wyoming", "WY"),
];

/// Austria's states in the form's English.
#[rustfmt::skip]
const AUSTRIA: &[(&str, &str)] = &[
    ("Vienna", "Wien"), ("Lower Austria", "Niederösterreich"), ("Upper Austria", "Oberösterreich"),
    ("Styria", "Steiermark"), ("Tyrol", "Tirol"), ("Carinthia", "Kärnten"), ("Salzburg", "Salzburg"),
    ("Vorarlberg", "Vorarlberg"), ("Burgenland", "Burgenland"),
];

/// The longest street line of the form in the USA.
const US_STREET_MAX: usize = 35;

/// A town that the form's list does not have, by the form itself.
pub const OTHER: &str = "Other";

words! {
    /// The number by which a country's customs or post know the buyer.
    pub enum IdKind {
        /// Brazil's tax number, with the birthday behind it where the buyer gave it.
        Cpf = "cpf",
        Passport = "passport",
        /// Korea's personal customs code.
        CustomsCode = "customs_code",
        /// A tax number that stands in both passport fields (Israel, Argentina).
        TaxId = "tax_id",
        /// Saudi Arabia's national address.
        NationalAddress = "national_address",
    }
}

/// The number a country wants; `None` = none.
pub fn id_kind(country: &str) -> Option<IdKind> {
    Some(match country {
        "BR" => IdKind::Cpf,
        "MX" => IdKind::Passport,
        "KR" => IdKind::CustomsCode,
        "IL" | "AR" => IdKind::TaxId,
        "SA" => IdKind::NationalAddress,
        _ => return None,
    })
}

/// One rule: of which countries, which field, what is wanted, and whether the buyer's has it.
struct Rule {
    /// `None` = everywhere.
    countries: Option<&'static [&'static str]>,
    field: &'static str,
    wanted: &'static str,
    fits: fn(&Read<'_>) -> bool,
}

const fn rule(
    countries: Option<&'static [&'static str]>,
    field: &'static str,
    wanted: &'static str,
    fits: fn(&Read<'_>) -> bool,
) -> Rule {
    Rule { countries, field, wanted, fits }
}

const NAME: &str = "buyer.name";
const PHONE: &str = "buyer.phone";
const ID: &str = "buyer.idNumber";
const LINE1: &str = "shippingAddress.line1";
const LINE2: &str = "shippingAddress.line2";
const CITY: &str = "shippingAddress.city";
const PROVINCE: &str = "shippingAddress.province";
const POSTAL_CODE: &str = "shippingAddress.postalCode";
const COUNTRY: &str = "shippingAddress.country";

#[rustfmt::skip]
const RULES: &[Rule] = &[
    rule(None, COUNTRY, "two capital letters (ISO 3166)", |r| r.country.len() == 2 && r.country.bytes().all(|b| b.is_ascii_uppercase())),
    rule(None, NAME, "Latin letters", |r| r.is_readable(r.name)),
    rule(None, LINE1, "Latin letters", |r| r.is_readable(r.line1)),
    rule(None, LINE2, "Latin letters", |r| r.is_readable(r.line2)),
    rule(None, CITY, "Latin letters", |r| r.is_readable(r.city)),
    rule(None, PROVINCE, "Latin letters", |r| r.is_readable(r.province)),
    rule(None, NAME, "2 to 128 characters", |r| within(r.name, 2, 128)),
    rule(None, PHONE, "7 to 13 digits without the country's code", |r| (7..=13).contains(&r.phone.len())),
    rule(Some(&["US"]), NAME, "first and last name, 2 to 32 characters together", |r| within(r.name, 2, 32) && two_names(r.name)),
    rule(Some(&["US"]), LINE1, "5 to 35 characters, or words that fit on two such lines", |r| !r.line2.is_empty() && within(r.line1, 5, US_STREET_MAX) || r.line2.is_empty() && street_lines(r.line1).is_some()),
    rule(Some(&["US"]), PROVINCE, "a state", |r| r.province != OTHER),
    rule(Some(&["US"]), POSTAL_CODE, "a ZIP code of 5 or 9 digits", |r| is_zip(r.postal_code)),
    rule(Some(&["AU", "NZ"]), NAME, "first and last name in English letters", |r| r.name.is_ascii() && two_names(r.name)),
    rule(Some(&["DZ", "ZA"]), NAME, "first and last name", |r| two_names(r.name)),
    rule(Some(&["BR"]), ID, "the CPF, 11 digits, of the person named, and best his birthday too: 123.456.789-09 31.05.1990", |r| cpf_and_birthday(&r.id).is_some()),
    rule(Some(&["BR"]), CITY, "a real city", |r| r.city != OTHER),
    rule(Some(&["MX"]), ID, "the passport number", |r| !r.id.is_empty()),
    rule(Some(&["MX"]), LINE2, "at most 60 characters", |r| r.line2.chars().count() <= 60),
    rule(Some(&["KR"]), ID, "the personal customs code", |r| !r.id.is_empty()),
    rule(Some(&["ES"]), PHONE, "9 digits", |r| r.phone.len() == 9),
    rule(Some(&["IL"]), ID, "the tax number, 9 digits", |r| digits(&r.id, 9)),
    rule(Some(&["AR"]), ID, "the tax number, such as 20-12345678-6", |r| is_cuit(&r.id)),
    rule(Some(&["AR"]), PHONE, "10 digits", |r| r.phone.len() == 10),
    rule(Some(&["SA"]), ID, "the national address, such as ABCD1234", |r| is_national_address(&r.id)),
    rule(Some(&["SA"]), PHONE, "9 digits, the first a 5", |r| r.phone.len() == 9 && r.phone.starts_with('5')),
    rule(Some(&["AT"]), PROVINCE, "one of the nine states", |r| AUSTRIA.iter().any(|(name, _)| *name == r.province)),
    rule(Some(&["IT"]), PROVINCE, "the region, such as Lazio, or the code of a province", |r| ITALY.iter().any(|(name, _)| *name == r.province)),
];

/// The buyer as the rules look at him: trimmed, the phone without its country's code.
struct Read<'a> {
    country: &'a str,
    name: &'a str,
    line1: &'a str,
    line2: &'a str,
    city: &'a str,
    /// As the form writes it.
    province: &'a str,
    postal_code: &'a str,
    phone: String,
    id: String,
}

impl Read<'_> {
    fn value(&self, field: &str) -> &str {
        match field {
            NAME => self.name,
            PHONE => &self.phone,
            ID => &self.id,
            LINE1 => self.line1,
            LINE2 => self.line2,
            CITY => self.city,
            PROVINCE => self.province,
            POSTAL_CODE => self.postal_code,
            _ => self.country,
        }
    }

    fn is_readable(&self, text: &str) -> bool {
        let is_arabic = |c: char| ('\u{600}'..='\u{6ff}').contains(&c) && ARABIC_TOO.contains(&self.country);
        // Latin with all its accents, and the dashes and quotes that word processors make.
        text.chars().all(|c| u32::from(c) < 0x250 || ('\u{2010}'..='\u{201f}').contains(&c) || is_arabic(c))
    }
}

/// What of the buyer does not fit the form, each as `field: what is wanted`. Fields that are missing altogether are told
/// by [`super::order::Order::missing`] and not here. Empty = it fits, as far as we know the form.
pub fn misfits(buyer: &Buyer) -> Vec<String> {
    let address = &buyer.address;
    let text = |field: &'_ Option<String>| -> String { field.as_deref().unwrap_or("").trim().to_owned() };
    let (name, line1, line2) = (text(&buyer.name), text(&address.line1), text(&address.line2));
    let (city, country) = (text(&address.city), text(&address.country));
    let (province, postal_code) = (text(&address.province), text(&address.postal_code));
    let read = Read {
        province: province_name(&province, &country),
        country: &country,
        name: &name,
        line1: &line1,
        line2: &line2,
        city: &city,
        postal_code: &postal_code,
        phone: local_phone(buyer.phone.as_deref().unwrap_or(""), &country).1,
        id: text(&buyer.id_number),
    };
    let here = |rule: &&Rule| rule.countries.is_none_or(|countries| countries.contains(&read.country));
    // What is missing altogether is told elsewhere; only the number is wanted by the country itself.
    let is_there = |rule: &&Rule| rule.field == ID || !read.value(rule.field).trim().is_empty();
    let broken = RULES.iter().filter(here).filter(is_there).filter(|rule| !(rule.fits)(&read));
    broken.map(|rule| format!("{}: {}", rule.field, rule.wanted)).collect()
}

/// The province as the form writes it; what is not in a table stays as it is.
pub fn province_name<'a>(province: &'a str, country: &str) -> &'a str {
    let same = |a: &str| a.eq_ignore_ascii_case(province) || a.to_lowercase() == province.to_lowercase();
    let found = match country {
        "US" => US_STATES.iter().find(|(name, code)| same(name) || same(code)),
        "IT" => ITALY.iter().find(|(name, codes)| same(name) || codes.split(' ').any(same)),
        "AT" => AUSTRIA.iter().find(|(name, german)| same(name) || same(german)),
        _ => None,
    };
    found.map_or(province, |(name, _)| name)
}

/// A street line that is too long for the form in the USA, cut at a blank into two that fit; `None` = that cannot be.
pub fn street_lines(line: &str) -> Option<(&str, Option<&str>)> {
    if within(line, 5, US_STREET_MAX) {
        return Some((line, None));
    }
    let cuts = line.match_indices(' ').map(|(at, _)| (line[..at].trim(), line[at..].trim()));
    let mut fitting = cuts.filter(|(first, rest)| within(first, 5, US_STREET_MAX) && within(rest, 1, US_STREET_MAX));
    fitting.next_back().map(|(first, rest)| (first, Some(rest)))
}

/// The calling code, where the country's is known, and the digits without it.
pub fn local_phone(phone: &str, country: &str) -> (Option<String>, String) {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let code = CALLING_CODES.iter().find(|(c, _)| *c == country).map(|(_, code)| *code);
    let is_international = phone.trim_start().starts_with('+') || phone.trim_start().starts_with("00");
    let digits = if phone.trim_start().starts_with("00") { digits[2..].to_owned() } else { digits };
    match code {
        Some(code) => {
            let bare = if is_international { digits.strip_prefix(code).unwrap_or(&digits) } else { &digits };
            (Some(format!("+{code}")), bare.to_owned())
        }
        None => (None, digits),
    }
}

/// A Brazilian's CPF in its 11 digits, and his birthday as day, month and year in 8 where it stands behind the number.
/// `None` = it is something else.
pub fn cpf_and_birthday(number: &str) -> Option<(String, Option<String>)> {
    let plain: String = number.chars().filter(|c| !matches!(c, '.' | '-' | '/' | ' ')).collect();
    if !plain.bytes().all(|b| b.is_ascii_digit()) || !matches!(plain.len(), 11 | 19) {
        return None;
    }
    let (cpf, birthday) = plain.split_at(11);
    let part = |at: std::ops::Range<usize>| birthday.get(at)?.parse::<u32>().ok();
    let is_a_day = || {
        let (day, month, year) = (part(0..2)?, part(2..4)?, part(4..8)?);
        Some((1..=31).contains(&day) && (1..=12).contains(&month) && (1900..=2100).contains(&year))
    };
    match birthday {
        "" => Some((cpf.to_owned(), None)),
        _ => is_a_day()?.then(|| (cpf.to_owned(), Some(birthday.to_owned()))),
    }
}

fn within(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.chars().count())
}

/// A first and a last name of two letters each at least.
fn two_names(name: &str) -> bool {
    name.split_once(' ').is_some_and(|(first, last)| first.chars().count() >= 2 && last.trim().chars().count() >= 2)
}

fn digits(text: &str, count: usize) -> bool {
    let plain: String = text.chars().filter(|c| !matches!(c, '.' | '-' | ' ')).collect();
    plain.len() == count && plain.bytes().all(|b| b.is_ascii_digit())
}

fn is_zip(text: &str) -> bool {
    digits(text, 5) || digits(text, 9)
}

/// Argentina's number keeps its dashes.
fn is_cuit(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_number = |part: &&str, count: usize| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    matches!(parts.as_slice(), [kind, number, check] if is_number(kind, 2) && is_number(number, 8) && is_number(check, 1))
}

fn is_national_address(text: &str) -> bool {
    text.len() == 8
        && text.bytes().take(4).all(|b| b.is_ascii_uppercase())
        && text.bytes().skip(4).all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Address;

    /// A buyer whom the form of every country takes, apart from what that country wants besides.
    fn buyer(country: &str) -> Buyer {
        let some = |text: &str| Some(text.to_owned());
        let (province, postal_code, phone, id) = match country {
            "US" => ("NJ", "08360", "+1 559 360 0000", None),
            "BR" => ("Sao Paulo", "01310-100", "+55 11 98765 4321", Some("123.456.789-09")),
            "MX" => ("Jalisco", "44100", "3312345678", Some("G12345678")),
            "KR" => ("Seoul", "04524", "+82 1012345678", Some("P123456789012")),
            "AU" | "NZ" => ("Victoria", "3000", "0412345678", None),
            "ES" => ("Madrid", "28001", "+34 612 345 678", None),
            "IL" => ("Tel Aviv", "6100000", "0521234567", Some("123456789")),
            "AR" => ("Buenos Aires", "B1640", "1123456789", Some("20-12345678-6")),
            "SA" => ("Riyadh", "11564", "+966 512345678", Some("ABCD1234")),
            "AT" => ("Kärnten", "9020", "+43 6641234567", None),
            "IT" => ("RM", "00184", "+39 3331234567", None),
            _ => ("Somewhere", "12345", "0301234567", None),
        };
        Buyer {
            name: some("Jane Miller"),
            email: None,
            phone: some(phone),
            id_number: id.map(str::to_owned),
            address: Address {
                line1: some("12 Oak Street"),
                line2: None,
                city: some("Vineland"),
                province: some(province),
                postal_code: some(postal_code),
                country: some(country),
            },
        }
    }

    fn check(country: &str, change: impl FnOnce(&mut Buyer), expected: &[&str]) {
        let mut buyer = buyer(country);
        change(&mut buyer);
        let found = misfits(&buyer);
        let fields: Vec<&str> = found.iter().map(|misfit| misfit.split(':').next().unwrap()).collect();
        assert_eq!(fields, expected, "{country}: {found:?}");
    }

    fn nothing(_: &mut Buyer) {}

    #[test]
    fn every_country_of_the_table_has_an_address_that_fits() {
        let countries = RULES.iter().filter_map(|rule| rule.countries).flatten();
        for country in countries.chain(&["DE", "CL", "ZA", "DZ"]) {
            check(country, nothing, &[]);
        }
    }

    #[test]
    fn everywhere() {
        check("DE", |b| b.name = Some("王小明".to_owned()), &[NAME]);
        check("DE", |b| b.name = Some("Jürgen Müßig".to_owned()), &[]);
        check("DE", |b| b.name = Some("X".to_owned()), &[NAME]);
        check("DE", |b| b.address.line1 = Some("улица 1".to_owned()), &[LINE1]);
        check("DE", |b| b.phone = Some("12345".to_owned()), &[PHONE]);
        check("DE", |b| b.phone = Some("12345678901234".to_owned()), &[PHONE]);
        check("SA", |b| b.address.line1 = Some("شارع 1".to_owned()), &[]);
        check("de", nothing, &[COUNTRY]);
    }

    #[test]
    fn us() {
        check("US", |b| b.name = Some("Jane".to_owned()), &[NAME]);
        check("US", |b| b.name = Some("J Miller".to_owned()), &[NAME]);
        check("US", |b| b.name = Some("Jane Bartholomew-Featherstonehaugh".to_owned()), &[NAME]);
        check("US", |b| b.address.line1 = Some("1 A".to_owned()), &[LINE1]);
        let long = "1234 North Martin Luther King Boulevard, Apartment 5";
        check("US", |b| b.address.line1 = Some(long.to_owned()), &[]);
        check(
            "US",
            |b| (b.address.line1, b.address.line2) = (Some(long.to_owned()), Some("Rear".to_owned())),
            &[LINE1],
        );
        check("US", |b| b.address.line1 = Some("x".repeat(36)), &[LINE1]);
        check("US", |b| b.address.province = Some("Other".to_owned()), &[PROVINCE]);
        check("US", |b| b.address.postal_code = Some("0836".to_owned()), &[POSTAL_CODE]);
        check("US", |b| b.address.postal_code = Some("08360-1234".to_owned()), &[]);
    }

    #[test]
    fn br_mx_kr() {
        check("BR", |b| b.id_number = None, &[ID]);
        check("BR", |b| b.id_number = Some("1234567890".to_owned()), &[ID]);
        check("BR", |b| b.id_number = Some("123.456.789-09 31.05.1990".to_owned()), &[]);
        check("BR", |b| b.id_number = Some("123.456.789-09 1990-05-31".to_owned()), &[ID]);
        check("BR", |b| b.id_number = Some("123.456.789-0X".to_owned()), &[ID]);
        check("BR", |b| b.address.city = Some(OTHER.to_owned()), &[CITY]);
        check("MX", |b| b.id_number = Some(" ".to_owned()), &[ID]);
        check("MX", |b| b.address.line2 = Some("x".repeat(61)), &[LINE2]);
        check("MX", |b| b.address.line2 = Some("x".repeat(60)), &[]);
        check("KR", |b| b.id_number = None, &[ID]);
    }

    #[test]
    fn au_nz_dz_za() {
        for country in ["AU", "NZ", "DZ", "ZA"] {
            check(country, |b| b.name = Some("Jane".to_owned()), &[NAME]);
        }
        for country in ["AU", "NZ"] {
            check(country, |b| b.name = Some("Zoë Miller".to_owned()), &[NAME]);
        }
    }

    #[test]
    fn es_il_ar_sa() {
        check("ES", |b| b.phone = Some("+34 61234567".to_owned()), &[PHONE]);
        check("IL", |b| b.id_number = Some("12345678".to_owned()), &[ID]);
        check("AR", |b| b.id_number = Some("20123456786".to_owned()), &[ID]);
        check("AR", |b| b.phone = Some("12345678".to_owned()), &[PHONE]);
        check("SA", |b| b.id_number = Some("abcd1234".to_owned()), &[ID]);
        check("SA", |b| b.phone = Some("+966 412345678".to_owned()), &[PHONE]);
    }

    #[test]
    fn at_it() {
        check("AT", |b| b.address.province = Some("Bavaria".to_owned()), &[PROVINCE]);
        check("IT", |b| b.address.province = Some("Roma".to_owned()), &[PROVINCE]);
        let name = |province: &str, country: &str, expected: &str| {
            assert_eq!(province_name(province, country), expected, "{province} {country}");
        };
        name("kärnten", "AT", "Carinthia");
        name("mi", "IT", "Lombardia");
        name("lazio", "IT", "Lazio");
        name("nj", "US", "New Jersey");
        name("NJ", "DE", "NJ");
    }

    #[test]
    fn a_long_street_is_cut_at_a_blank_or_not_at_all() {
        let check = |line: &str, expected: Option<(&str, Option<&str>)>| assert_eq!(street_lines(line), expected);
        check("12 Oak Street", Some(("12 Oak Street", None)));
        check(
            "1234 North Martin Luther King Boulevard, Apartment 5",
            Some(("1234 North Martin Luther King", Some("Boulevard, Apartment 5"))),
        );
        check(&"x".repeat(36), None);
        check("1", None);
    }

    #[test]
    fn phones_lose_their_calling_code() {
        let check = |phone: &str, country: &str, expected: (Option<&str>, &str)| {
            let (code, number) = local_phone(phone, country);
            assert_eq!((code.as_deref(), number.as_str()), expected, "{phone} {country}");
        };
        check("+1 (559) 360-0000", "US", (Some("+1"), "5593600000"));
        check("5593600000", "US", (Some("+1"), "5593600000"));
        check("0034 612345678", "ES", (Some("+34"), "612345678"));
        check("+376 312345", "AD", (None, "376312345"));
    }
}
