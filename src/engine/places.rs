//! AliExpress' own list of provinces and cities, where it has one for a country: how it spells them, and whether the
//! buyer's are among them. Asked for at most once a day and country. It never guesses a place that is not listed.

use super::Engine;
use crate::domain::address_rules::province_name;
use crate::domain::order::Address;
use crate::gateway::Secret;
use crate::gateway::aliexpress::Province;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The list hardly ever changes.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// The places of one country. Empty where AliExpress lists none: then nothing is compared.
pub struct Tree(Vec<Province>);

/// The trees asked for so far, by country.
pub(super) type Places = Mutex<HashMap<String, (Timestamp, Arc<Tree>)>>;

impl Tree {
    fn province(&self, name: &str) -> Option<&Province> {
        self.0.iter().find(|province| is_same(&province.name, name))
    }

    /// Province and city as AliExpress writes them; a city it does not list stays as it is. `None` = the province is not
    /// listed.
    pub fn spelled(&self, province: &str, city: &str) -> Option<(String, String)> {
        let province = self.province(province)?;
        let city = province.cities.iter().find(|listed| is_same(listed, city)).map_or(city, String::as_str);
        Some((province.name.clone(), city.to_owned()))
    }

    /// The field that is not on the list, and what is wanted there. `None` = it fits, or there is no list.
    pub fn misfit(&self, address: &Address) -> Option<&'static str> {
        let (country, province) = (address.country.as_deref()?, address.province.as_deref()?.trim());
        if self.0.is_empty() {
            return None;
        }
        let Some(listed) = self.province(province_name(province, country)) else {
            return Some("shippingAddress.province: one that AliExpress lists for the country");
        };
        // In Austria the town goes into the street line.
        let city = address.city.as_deref()?.trim();
        let is_listed = listed.cities.is_empty() || country == "AT" || listed.cities.iter().any(|c| is_same(c, city));
        (!is_listed).then_some("shippingAddress.city: one that AliExpress lists for the province")
    }
}

/// The same name, whatever its case, hyphens and apostrophes.
fn is_same(a: &str, b: &str) -> bool {
    let plain =
        |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
    plain(a) == plain(b)
}

impl Engine {
    /// The places of a country. `None` = AliExpress could not be asked: nothing is compared then, and the order goes the
    /// way it would go without.
    pub(super) fn tree(&self, country: &str, token: &Secret) -> Option<Arc<Tree>> {
        let now = self.now();
        if let Some(tree) = self.known_tree(country) {
            return Some(tree);
        }
        match self.aliexpress().ok()?.address_tree(now, token, country) {
            Ok(provinces) => {
                let tree = Arc::new(Tree(provinces));
                let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
                places.insert(country.to_owned(), (now, Arc::clone(&tree)));
                Some(tree)
            }
            Err(error) => {
                log::info!("the supplier's list of places in {country}: {error}");
                None
            }
        }
    }

    /// The places of a country that were asked for within a day.
    pub(super) fn known_tree(&self, country: &str) -> Option<Arc<Tree>> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked_at, tree) = places.get(country)?;
        (self.now() < *asked_at + KEPT).then(|| Arc::clone(tree))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(provinces: &[(&str, &[&str])]) -> Tree {
        let owned = |cities: &[&str]| cities.iter().map(|c| (*c).to_owned()).collect();
        Tree(
            provinces
                .iter()
                .map(|(name, cities)| Province { name: (*name).to_owned(), cities: owned(cities) })
                .collect(),
        )
    }

    #[test]
    fn a_place_is_listed_or_named() {
        let check = |tree: &Tree, country: &str, province: &str, city: &str, expected: Option<&str>| {
            let some = |text: &str| Some(text.to_owned());
            let address =
                Address { country: some(country), province: some(province), city: some(city), ..Address::default() };
            let misfit = tree.misfit(&address).map(|misfit| misfit.split(':').next().unwrap());
            assert_eq!(misfit, expected, "{country} {province} {city}");
        };
        let us = tree(&[("New Jersey", &["Newark", "Vineland"]), ("Ohio", &[])]);
        check(&us, "US", "NJ", "vineland", None);
        check(&us, "US", "new jersey", "Newark", None);
        check(&us, "US", "New Jersey", "Springfield", Some("shippingAddress.city"));
        check(&us, "US", "Ohio", "Springfield", None);
        check(&us, "US", "Iowa", "Ames", Some("shippingAddress.province"));
        check(&tree(&[]), "DE", "Hesse", "Fulda", None);
        check(&tree(&[("Vienna", &["Other"])]), "AT", "Wien", "Wien", None);
        assert_eq!(us.spelled("new-jersey", "NEWARK"), Some(("New Jersey".to_owned(), "Newark".to_owned())));
        assert_eq!(us.spelled("Ohio", "Ames"), Some(("Ohio".to_owned(), "Ames".to_owned())));
        assert_eq!(us.spelled("Iowa", "Ames"), None);
    }
}
