//! Addresses between the trade's words and the providers' forms. Nothing is filled in: what is missing stays missing and
//! stops the order before this.

use crate::domain::order::{Address, Buyer};
use crate::gateway::aliexpress::PlaceAddress;
use crate::gateway::paypal::{CheckoutSeen, Shipping};

/// Calling codes of the countries most sold to. A phone of another country must be written without its code.
#[rustfmt::skip]
const CALLING_CODES: &[(&str, &str)] = &[
    ("US", "1"),
    ("CA", "1"),
    ("GB", "44"),
    ("IE", "353"),
    ("DE", "49"),
    ("FR", "33"),
    ("ES", "34"),
    ("IT", "39"),
    ("PT", "351"),
    ("NL", "31"),
    ("BE", "32"),
    ("LU", "352"),
    ("AT", "43"),
    ("CH", "41"),
    ("SE", "46"),
    ("NO", "47"),
    ("DK", "45"),
    ("FI", "358"),
    ("IS", "354"),
    ("PL", "48"),
    ("CZ", "420"),
    ("SK", "421"),
    ("HU", "36"),
    ("RO", "40"),
    ("BG", "359"),
    ("GR", "30"),
    ("HR", "385"),
    ("SI", "386"),
    ("EE", "372"),
    ("LV", "371"),
    ("LT", "370"),
    ("UA", "380"),
    ("TR", "90"),
    ("IL", "972"),
    ("SA", "966"),
    ("AE", "971"),
    ("ZA", "27"),
    ("DZ", "213"),
    ("MA", "212"),
    ("EG", "20"),
    ("NG", "234"),
    ("KE", "254"),
    ("AU", "61"),
    ("NZ", "64"),
    ("JP", "81"),
    ("KR", "82"),
    ("SG", "65"),
    ("MY", "60"),
    ("TH", "66"),
    ("PH", "63"),
    ("ID", "62"),
    ("VN", "84"),
    ("IN", "91"),
    ("PK", "92"),
    ("BR", "55"),
    ("MX", "52"),
    ("AR", "54"),
    ("CL", "56"),
    ("CO", "57"),
    ("PE", "51"),
];

/// AliExpress wants the names of the states of the USA; PayPal and buyers write their codes.
#[rustfmt::skip]
const US_STATES: &[(&str, &str)] = &[
    ("AL", "Alabama"), ("AK", "Alaska"), ("AZ", "Arizona"), ("AR", "Arkansas"), ("CA", "California"),
    ("CO", "Colorado"), ("CT", "Connecticut"), ("DE", "Delaware"), ("DC", "District of Columbia"), ("FL", "Florida"),
    ("GA", "Georgia"), ("HI", "Hawaii"), ("ID", "Idaho"), ("IL", "Illinois"), ("IN", "Indiana"), ("IA", "Iowa"),
    ("KS", "Kansas"), ("KY", "Kentucky"), ("LA", "Louisiana"), ("ME", "Maine"), ("MD", "Maryland"),
    ("MA", "Massachusetts"), ("MI", "Michigan"), ("MN", "Minnesota"), ("MS", "Mississippi"), ("MO", "Missouri"),
    ("MT", "Montana"), ("NE", "Nebraska"), ("NV", "Nevada"), ("NH", "New Hampshire"), ("NJ", "New Jersey"),
    ("NM", "New Mexico"), ("NY", "New York"), ("NC", "North Carolina"), ("ND", "North Dakota"), ("OH", "Ohio"),
    ("OK", "Oklahoma"), ("OR", "Oregon"), ("PA", "Pennsylvania"), ("PR", "Puerto Rico"), ("RI", "Rhode Island"),
    ("SC", "South Carolina"), ("SD", "South Dakota"), ("TN", "Tennessee"), ("TX", "Texas"), ("UT", "Utah"),
    ("VT", "Vermont"), ("VA", "Virginia"), ("WA", "Washington"), ("WV", "West Virginia"), ("WI", "Wisconsin"),
    ("WY", "Wyoming"),
];

fn province_name<'a>(province: &'a str, country: &str) -> &'a str {
    let code = US_STATES.iter().find(|(code, _)| country == "US" && code.eq_ignore_ascii_case(province));
    code.map_or(province, |(_, name)| name)
}

/// The address as AliExpress takes it.
pub fn place_address(buyer: &Buyer) -> Result<PlaceAddress, String> {
    let address = &buyer.address;
    let need = |field: &Option<String>, name: &str| field.clone().ok_or_else(|| format!("{name} is missing"));
    let country = need(&address.country, "country")?;
    let (phone_country, mobile_no) = split_phone(&need(&buyer.phone, "phone")?, &country);
    Ok(PlaceAddress {
        full_name: need(&buyer.name, "name")?,
        province: province_name(&need(&address.province, "province")?, &country).to_owned(),
        city: need(&address.city, "city")?,
        address: need(&address.line1, "street")?,
        address2: address.line2.clone(),
        zip: address.postal_code.as_ref().map(|zip| zip.replace(' ', "")),
        phone_country,
        mobile_no: Some(mobile_no),
        extra: Vec::new(),
        country,
    })
}

/// The calling code, where the country's is known, and the digits without it.
fn split_phone(phone: &str, country: &str) -> (Option<String>, String) {
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

/// The address as PayPal takes it at the checkout. `None` when it is not whole: then PayPal asks the buyer.
pub fn paypal_shipping(buyer: &Buyer) -> Option<Shipping> {
    let address = &buyer.address;
    Some(Shipping {
        name: buyer.name.clone()?,
        line1: address.line1.clone()?,
        line2: address.line2.clone(),
        city: address.city.clone()?,
        province: address.province.clone(),
        postal_code: address.postal_code.clone(),
        country: address.country.clone()?,
    })
}

/// The buyer as PayPal shows him after the approval. `None` while PayPal shows no address.
pub fn buyer_of(seen: &CheckoutSeen) -> Option<Buyer> {
    let shipping = seen.shipping.as_ref()?;
    let some = |text: &str| Some(text.trim().to_owned()).filter(|t| !t.is_empty());
    let payer = seen.payer.clone().unwrap_or_default();
    Some(Buyer {
        name: some(&shipping.name).or(payer.name),
        email: payer.email,
        phone: payer.phone,
        address: Address {
            line1: some(&shipping.line1),
            line2: shipping.line2.as_deref().and_then(some),
            city: some(&shipping.city),
            province: shipping.province.as_deref().and_then(some),
            postal_code: some(&shipping.postal_code),
            country: some(&shipping.country),
        },
    })
}

/// Ours, with PayPal's word wherever we have none.
pub fn filled_in(ours: &Buyer, theirs: &Buyer) -> Buyer {
    let or = |ours: &Option<String>, theirs: &Option<String>| ours.clone().or_else(|| theirs.clone());
    let (a, b) = (&ours.address, &theirs.address);
    Buyer {
        name: or(&ours.name, &theirs.name),
        email: or(&ours.email, &theirs.email),
        phone: or(&ours.phone, &theirs.phone),
        address: Address {
            line1: or(&a.line1, &b.line1),
            line2: or(&a.line2, &b.line2),
            city: or(&a.city, &b.city),
            province: or(&a.province, &b.province),
            postal_code: or(&a.postal_code, &b.postal_code),
            country: or(&a.country, &b.country),
        },
    }
}

/// The same door, however it was typed. Fields one side does not have are not compared.
pub fn is_same_place(ours: &Address, theirs: &Address) -> bool {
    let plain =
        |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
    let same = |a: &Option<String>, b: &Option<String>| match (a, b) {
        (Some(a), Some(b)) => plain(a) == plain(b),
        _ => true,
    };
    same(&ours.line1, &theirs.line1)
        && same(&ours.city, &theirs.city)
        && same(&ours.postal_code, &theirs.postal_code)
        && same(&ours.country, &theirs.country)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_lose_their_calling_code() {
        let check = |phone: &str, country: &str, expected: (Option<&str>, &str)| {
            let (code, number) = split_phone(phone, country);
            assert_eq!((code.as_deref(), number.as_str()), expected, "{phone} {country}");
        };
        check("+1 (559) 360-0000", "US", (Some("+1"), "5593600000"));
        check("5593600000", "US", (Some("+1"), "5593600000"));
        check("0034 612345678", "ES", (Some("+34"), "612345678"));
        check("+376 312345", "AD", (None, "376312345"));
    }

    #[test]
    fn a_phone_alone_keeps_paypals_address() {
        let some = |text: &str| Some(text.to_owned());
        let ours = Buyer { phone: some("5593600000"), ..Buyer::default() };
        let address = Address { line1: some("12 Oak St."), country: some("US"), ..Address::default() };
        let theirs = Buyer { name: some("Jane Miller"), phone: some("1"), address, ..Buyer::default() };
        assert!(is_same_place(&ours.address, &theirs.address), "nothing of ours contradicts it");
        let whole = filled_in(&ours, &theirs);
        assert_eq!((whole.phone, whole.name), (some("5593600000"), some("Jane Miller")));
        assert_eq!(whole.address, theirs.address);
    }

    #[test]
    fn a20_the_same_door_is_known_however_typed() {
        let address = |line1: &str, code: &str| Address {
            line1: Some(line1.to_owned()),
            postal_code: Some(code.to_owned()),
            ..Address::default()
        };
        assert!(is_same_place(&address("12 Oak St.", "08360"), &address("12 OAK ST", "08360")));
        assert!(!is_same_place(&address("12 Oak St.", "08360"), &address("13 Oak St.", "08360")));
        assert!(!is_same_place(&address("12 Oak St.", "08360"), &address("12 Oak St.", "08361")));
    }
}
