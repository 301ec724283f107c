//! Addresses between the trade's words and the providers' forms. Nothing is filled in: what is missing stays missing and
//! stops the order before this.

use super::places::Tree;
use crate::domain::address_rules::{
    IdKind, OTHER, cpf_and_birthday, id_kind, local_phone, province_name, street_lines,
};
use crate::domain::order::{Address, Buyer};
use crate::gateway::aliexpress::PlaceAddress;
use crate::gateway::paypal::{CheckoutSeen, Shipping};

/// The address as AliExpress takes it, in the spelling of its own list where `tree` has it. What a country wants
/// besides stands in the fields of its form. Whether all of it fits is the rules' question, not this one's.
pub fn place_address(buyer: &Buyer, tree: Option<&Tree>) -> Result<PlaceAddress, String> {
    let address = &buyer.address;
    let need = |field: &Option<String>, name: &str| field.clone().ok_or_else(|| format!("{name} is missing"));
    let country = need(&address.country, "country")?;
    let (phone_country, mobile_no) = local_phone(&need(&buyer.phone, "phone")?, &country);
    let province = province_name(need(&address.province, "province")?.trim(), &country).to_owned();
    let spelled = tree.and_then(|tree| tree.spelled(&province, need(&address.city, "city").ok()?.trim()));
    let (province, city) = match spelled {
        Some((province, city)) => (province, city),
        None => (province, need(&address.city, "city")?),
    };
    let (line1, line2) = street(&need(&address.line1, "street")?, address.line2.clone(), &country, &city);
    let city = if country == "AT" { OTHER.to_owned() } else { city };
    let (extra, trade_extra) = numbers(buyer.id_number.as_deref().unwrap_or("").trim(), &country);
    Ok(PlaceAddress {
        full_name: need(&buyer.name, "name")?,
        province,
        city,
        address: line1,
        address2: line2,
        zip: address.postal_code.as_ref().map(|zip| zip.replace(' ', "")),
        phone_country,
        mobile_no: Some(mobile_no),
        extra,
        trade_extra,
        country,
    })
}

/// The street as the form of the country has it: two lines where one is too short, and in Austria with the town, which
/// that form does not list.
fn street(line1: &str, line2: Option<String>, country: &str, city: &str) -> (String, Option<String>) {
    match (country, &line2) {
        ("AT", _) => (format!("{line1}, {city}"), line2),
        ("US", None) => match street_lines(line1) {
            Some((first, rest)) => (first.to_owned(), rest.map(str::to_owned)),
            None => (line1.to_owned(), None),
        },
        _ => (line1.to_owned(), line2),
    }
}

type Fields = Vec<(String, String)>;

/// The buyer's number under the names that the country's form has for it: in the address, and beside the order.
fn numbers(number: &str, country: &str) -> (Fields, Fields) {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let Some(kind) = id_kind(country).filter(|_| !number.is_empty()) else { return (Vec::new(), Vec::new()) };
    let in_address = match kind {
        IdKind::Cpf => {
            let (cpf, birthday) = cpf_and_birthday(number).unwrap_or((number.to_owned(), None));
            let birthday = birthday.map(|day| field("birthday", &day));
            return (vec![field("cpf", &cpf)], birthday.into_iter().collect());
        }
        IdKind::Passport => vec![field("passport_no", number)],
        IdKind::CustomsCode => vec![field("foreigner_passport_no", number)],
        IdKind::TaxId => {
            vec![field("is_foreigner", "false"), field("passport_no", number), field("foreigner_passport_no", number)]
        }
        IdKind::NationalAddress => return (Vec::new(), vec![field("nat_addr", number)]),
    };
    (in_address, Vec::new())
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
        id_number: None,
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
        id_number: or(&ours.id_number, &theirs.id_number),
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

    /// An address in `country` with this number, as the form has it: the fields beside the usual ones.
    #[test]
    fn a_countrys_number_stands_where_its_form_wants_it() {
        let check = |country: &str, number: &str, expected: &str, beside: &str| {
            let shown = |fields: &Fields| {
                fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
            };
            let (in_address, in_order) = numbers(number, country);
            assert_eq!((shown(&in_address).as_str(), shown(&in_order).as_str()), (expected, beside), "{country}");
        };
        check("BR", "123.456.789-09", "cpf=12345678909", "");
        check("BR", "123.456.789-09 31.05.1990", "cpf=12345678909", "birthday=31051990");
        check("MX", "G123", "passport_no=G123", "");
        check("KR", "P1", "foreigner_passport_no=P1", "");
        check("IL", "1", "is_foreigner=false passport_no=1 foreigner_passport_no=1", "");
        let same = "is_foreigner=false passport_no=20-1-6 foreigner_passport_no=20-1-6";
        check("AR", "20-1-6", same, "");
        check("SA", "ABCD1234", "", "nat_addr=ABCD1234");
        check("US", "1", "", "");
        check("BR", "", "", "");
    }

    #[test]
    fn the_street_takes_the_form_of_the_country() {
        let check = |line1: &str, line2: Option<&str>, country: &str, expected: (&str, Option<&str>)| {
            let (first, second) = street(line1, line2.map(str::to_owned), country, "Linz");
            assert_eq!((first.as_str(), second.as_deref()), expected, "{country}");
        };
        check("Ring 1", None, "AT", ("Ring 1, Linz", None));
        check("Ring 1", Some("Top 2"), "DE", ("Ring 1", Some("Top 2")));
        let long = "1234 North Martin Luther King Boulevard, Apartment 5";
        check(long, None, "US", ("1234 North Martin Luther King", Some("Boulevard, Apartment 5")));
        check(long, None, "DE", (long, None));
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
