//! The provinces and cities that AliExpress knows of a country. It must never take an answer it cannot read for an empty
//! list: an address would then be compared with nothing.

use super::{AliExpress, Api, unreadable};
use crate::gateway::json::Node;
use crate::gateway::{CallError, Secret, tame};
use jiff::Timestamp;

const TREE: Api = Api::Method("aliexpress.ds.address.get");

/// One province by AliExpress' own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Province {
    pub name: String,
    /// Empty: its cities are not listed.
    pub cities: Vec<String>,
}

impl AliExpress {
    /// The provinces of a country (ISO 3166, two letters). Empty: AliExpress lists none there.
    pub fn address_tree(&self, now: Timestamp, token: &Secret, country: &str) -> Result<Vec<Province>, CallError> {
        let parameters = vec![("countryCode", country.to_owned()), ("language", "en_US".to_owned())];
        let node = self.look_up(now, TREE, token, parameters)?;
        let result = if node.at("result").is_object() { node.at("result") } else { &node };
        if result.at("success").flag() == Some(false) {
            return Err(unreadable(TREE, "no success"));
        }
        // The children stand in a string that is JSON itself.
        let children = result.at("data").at("children");
        let inner = match children.text() {
            Some(text) => Node::parse(text.as_bytes()).ok_or_else(|| unreadable(TREE, "children are no JSON"))?,
            None if *children != Node::Null => children.clone(),
            None => return Err(unreadable(TREE, "no children")),
        };
        if !matches!(inner, Node::List(_)) {
            return Err(unreadable(TREE, "children are no list"));
        }
        let name = |node: &Node| node.at("name").text().map(|name| tame(name, 80)).filter(|name| !name.is_empty());
        let province = |node: &Node| {
            let cities = node.at("children").items().iter().filter_map(name).collect();
            Some(Province { name: name(node)?, cities })
        };
        Ok(inner.items().iter().filter_map(province).collect())
    }
}
