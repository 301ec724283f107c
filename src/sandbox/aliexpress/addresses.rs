//! Where AliExpress sends, and how strict it is about writing it down: the province tree, and the rules by country.

use super::{Book, Outcome, Parameters};
use serde_json::{Value, json};

/// Provinces of the countries whose tree is built in, with a few cities each.
const TREE: [(&str, &[(&str, &str)]); 2] = [
    ("US", US),
    ("CL", &[("Region Metropolitana", "Santiago,Nunoa,Providencia"), ("Valparaiso", "Valparaiso,Vina del Mar")]),
];

const US: &[(&str, &str)] = &[
    ("Alabama", "Birmingham,Montgomery"),
    ("Alaska", "Anchorage,Juneau"),
    ("Arizona", "Phoenix,Tucson"),
    ("Arkansas", "Little Rock"),
    ("California", "Los Angeles,San Francisco,San Jose,San Diego,Sacramento"),
    ("Colorado", "Denver,Boulder"),
    ("Connecticut", "Hartford"),
    ("Delaware", "Wilmington"),
    ("District of Columbia", "Washington"),
    ("Florida", "Miami,Orlando,Tampa"),
    ("Georgia", "Atlanta"),
    ("Hawaii", "Honolulu"),
    ("Idaho", "Boise"),
    ("Illinois", "Chicago,Springfield"),
    ("Indiana", "Indianapolis"),
    ("Iowa", "Des Moines"),
    ("Kansas", "Wichita"),
    ("Kentucky", "Louisville"),
    ("Louisiana", "New Orleans"),
    ("Maine", "Portland"),
    ("Maryland", "Baltimore"),
    ("Massachusetts", "Boston,Cambridge"),
    ("Michigan", "Detroit"),
    ("Minnesota", "Minneapolis"),
    ("Mississippi", "Jackson"),
    ("Missouri", "Saint Louis,Kansas City"),
    ("Montana", "Billings"),
    ("Nebraska", "Omaha"),
    ("Nevada", "Las Vegas,Reno"),
    ("New Hampshire", "Manchester"),
    ("New Jersey", "Newark,Vineland"),
    ("New Mexico", "Albuquerque"),
    ("New York", "New York,Buffalo,Albany"),
    ("North Carolina", "Charlotte"),
    ("North Dakota", "Fargo"),
    ("Ohio", "Columbus,Cleveland"),
    ("Oklahoma", "Tulsa"),
    ("Oregon", "Portland,Salem"),
    ("Pennsylvania", "Philadelphia,Pittsburgh"),
    ("Puerto Rico", "San Juan"),
    ("Rhode Island", "Providence"),
    ("South Carolina", "Charleston"),
    ("South Dakota", "Sioux Falls"),
    ("Tennessee", "Nashville,Memphis"),
    ("Texas", "Austin,Houston,Dallas,San Antonio"),
    ("Utah", "Salt Lake City"),
    ("Vermont", "Burlington"),
    ("Virginia", "Richmond"),
    ("Washington", "Seattle,Spokane"),
    ("West Virginia", "Charleston"),
    ("Wisconsin", "Milwaukee,Madison"),
    ("Wyoming", "Cheyenne"),
];

fn tree(country: &str) -> Option<&'static [(&'static str, &'static str)]> {
    TREE.iter().find(|(c, _)| *c == country).map(|(_, provinces)| *provinces)
}

impl Book {
    /// aliexpress.ds.address.get: the children stand in a string, as they do in the real answer.
    pub(super) fn address_tree(&self, given: &Parameters) -> Outcome {
        given.need("language")?;
        let country = given.need("countryCode")?;
        // Its few cities are listed only where no other is taken.
        let is_strict = self.switches.strict_cities;
        let provinces = tree(country).unwrap_or(&[]).iter().map(|(province, cities)| {
            let cities = cities.split(',').filter(|_| is_strict);
            let cities: Vec<_> = cities.map(|c| json!({"name": c, "type": "CITY", "hasChildren": false})).collect();
            json!({"name": province, "type": "PROVINCE", "hasChildren": is_strict, "children": cities})
        });
        let children = Value::Array(provinces.collect()).to_string();
        Ok(json!({"result": {"success": true, "code": 200, "msg": "Call succeeds", "data": {
            "country": country, "type": "COUNTRY", "hasChildren": true, "children": children}}}))
    }
}

/// What AliExpress says to this address, or `None` where it has nothing to say. Names of fields are snake_case; others
/// are not seen. `extra` is `trade_extra_param`.
pub(super) fn objection(address: &Value, extra: &Value, strict_cities: bool) -> Option<String> {
    let text = |name: &str| address[name].as_str().unwrap_or("").trim();
    let country = text("country");
    if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
        return Some("Please select a Country/Region".into());
    }
    if text("province").is_empty() {
        return Some("Please select a State/Province/County".into());
    }
    if text("city").is_empty() {
        return Some("Please enter a city".into());
    }
    if text("address").is_empty() {
        return Some("Please enter an address".into());
    }
    if let Some(provinces) = tree(country) {
        let found = provinces.iter().find(|(name, _)| *name == text("province"));
        let Some((_, cities)) = found else { return Some("Please select a State/Province/County".into()) };
        if strict_cities && !cities.split(',').any(|c| c == text("city")) {
            return Some("Please enter a city".into());
        }
    }
    let arabic_too = matches!(country, "SA" | "AE" | "KW" | "QA");
    let latin = |s: &str| s.chars().all(|c| u32::from(c) < 0x250);
    if !arabic_too && !["address", "address2", "city", "province", "contact_person"].iter().all(|f| latin(text(f))) {
        return Some("Please enter in English".into());
    }
    phone_objection(text("mobile_no"), text("phone_country"), country)
        .or_else(|| name_objection(text("contact_person"), text("full_name"), country))
        .or_else(|| place_objection(address, extra, country))
        .map(str::to_string)
}

fn phone_objection(mobile: &str, prefix: &str, country: &str) -> Option<&'static str> {
    if mobile.is_empty() {
        return Some("Please enter mobile phone number");
    }
    let digits = mobile.bytes().all(|b| b.is_ascii_digit());
    let prefix = prefix.strip_prefix('+').unwrap_or(prefix);
    let fits = match country {
        "ES" | "SA" => mobile.len() == 9,
        "AR" => mobile.len() == 10,
        _ => (7..=13).contains(&mobile.len()),
    };
    if !digits || !fits {
        return Some("Phone Number should contain 7-13 digits");
    }
    let short = prefix.len() <= 4 && prefix.bytes().all(|b| b.is_ascii_digit());
    (!short).then_some("Please enter country code of the phone number")
}

fn name_objection(contact: &str, full: &str, country: &str) -> Option<&'static str> {
    let spaced = |name: &str| name.split_once(' ').is_some_and(|(a, b)| a.len() >= 2 && b.trim().len() >= 2);
    let (max, needs_space) = match country {
        "US" => (32, true),
        "AU" | "NZ" => (128, true),
        "DZ" | "ZA" => (128, true),
        _ => (128, false),
    };
    for name in [contact, full] {
        let letters = name.chars().count();
        if !(2..=max).contains(&letters) {
            return Some(if country == "US" {
                "Please enter between 2 - 32 characters"
            } else {
                "Please enter a contact name"
            });
        }
        if needs_space && !spaced(name) {
            return Some("Please enter first name and last name");
        }
    }
    None
}

fn place_objection(address: &Value, extra: &Value, country: &str) -> Option<&'static str> {
    let text = |name: &str| address[name].as_str().unwrap_or("").trim();
    let zip = text("zip");
    if zip.contains(' ') && !matches!(country, "GB" | "CA" | "NL") {
        return Some("Please enter a valid zip code");
    }
    let digits = |s: &str, n: usize| s.len() == n && s.bytes().all(|b| b.is_ascii_digit());
    match country {
        "US" => {
            let zip_fits = digits(zip, 5) || (zip.len() == 10 && digits(&zip[..5], 5) && digits(&zip[6..], 4));
            let length = text("address").chars().count();
            match (zip_fits, (5..=35).contains(&length)) {
                (false, _) => Some("Please enter a valid zip code"),
                (_, false) => Some("Please enter between 5 - 35 characters"),
                _ => None,
            }
        }
        "BR" if !digits(text("cpf"), 11) => Some("Please enter a valid CPF"),
        // ddMMyyyy, where it is there at all.
        "BR" => extra["birthday"].as_str().filter(|day| !digits(day, 8)).map(|_| "Please enter a valid birthday"),
        "MX" if text("passport_no").is_empty() => Some("Please enter passport number"),
        "KR" if text("foreigner_passport_no").is_empty() => Some("Please enter personal customs code"),
        "SA" => {
            let code = extra["nat_addr"].as_str().unwrap_or("");
            let (letters, numbers) = (code.get(..4).unwrap_or(""), code.get(4..).unwrap_or(""));
            let fits = letters.len() == 4 && letters.bytes().all(|b| b.is_ascii_uppercase()) && digits(numbers, 4);
            (!fits).then_some("Please enter a 8-digit national address in right format, eg. ABCD1234.")
        }
        _ => None,
    }
}
