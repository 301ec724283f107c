//! JSON of a far side as it is: numbers keep their digits as text, so that neither an amount nor a 17-digit id ever
//! passes through a float. Reading is tolerant (absent is `Null`); what must be there is decided by the caller.
//!
//! A typed `Deserialize` was tried on paper and rejected: one odd type in a field nobody needs would make a whole
//! answer unreadable, and an unreadable answer to a call that moved money costs a human an hour.

use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Far sides nest some ten deep; beyond this somebody plays with us.
const DEPTH_MAX: u32 = 40;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    /// The digits as they were written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Object(BTreeMap<String, Node>),
}

static NULL: Node = Node::Null;

impl Node {
    /// `None` when the bytes are not exactly one JSON value in UTF-8.
    pub fn parse(bytes: &[u8]) -> Option<Node> {
        let raw: &RawValue = serde_json::from_slice(bytes).ok()?;
        Node::from_raw(raw, 0)
    }

    fn from_raw(raw: &RawValue, depth: u32) -> Option<Node> {
        if depth > DEPTH_MAX {
            return None;
        }
        let text = raw.get();
        Some(match text.as_bytes().first()? {
            b'{' => {
                let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
                let read = |(name, raw)| Some((name, Node::from_raw(raw, depth + 1)?));
                Node::Object(fields.into_iter().map(read).collect::<Option<_>>()?)
            }
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                Node::List(items.into_iter().map(|raw| Node::from_raw(raw, depth + 1)).collect::<Option<_>>()?)
            }
            b'"' => Node::Text(serde_json::from_str(text).ok()?),
            b't' => Node::Bool(true),
            b'f' => Node::Bool(false),
            b'n' => Node::Null,
            _ => Node::Number(text.to_owned()),
        })
    }

    /// The field of an object; `Null` when there is none or this is no object.
    pub fn at(&self, name: &str) -> &Node {
        match self {
            Node::Object(fields) => fields.get(name).unwrap_or(&NULL),
            _ => &NULL,
        }
    }

    pub fn is_object(&self) -> bool {
        matches!(self, Node::Object(_))
    }

    pub fn fields(&self) -> impl Iterator<Item = (&str, &Node)> {
        let fields = if let Node::Object(fields) = self { Some(fields) } else { None };
        fields.into_iter().flatten().map(|(name, node)| (name.as_str(), node))
    }

    /// The text of a string, or the digits of a number. `None` for anything else and for an empty string.
    pub fn text(&self) -> Option<&str> {
        match self {
            Node::Text(text) | Node::Number(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// [`Node::text`] as a value of its own.
    pub fn owned(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    /// True or false, also where the far side wrote them as strings.
    pub fn flag(&self) -> Option<bool> {
        match self {
            Node::Bool(flag) => Some(*flag),
            Node::Text(text) if text == "true" => Some(true),
            Node::Text(text) if text == "false" => Some(false),
            _ => None,
        }
    }

    /// A whole number of at least 0, written as a number or as a string.
    pub fn whole(&self) -> Option<u64> {
        self.digits()?.parse().ok()
    }

    /// An id made of ASCII digits only, written as a number or as a string.
    pub fn digits(&self) -> Option<&str> {
        self.text().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
    }

    /// The items of a bare list. Anything else has none.
    pub fn items(&self) -> &[Node] {
        if let Node::List(items) = self { items } else { &[] }
    }

    /// The items of AliExpress' lists, which arrive as `{"wrapper": […]}`, as a bare `[…]`, or, with one item, as the
    /// bare object in either place.
    pub fn rows(&self, wrapper: &str) -> Vec<&Node> {
        match self {
            Node::Object(fields) => match fields.get(wrapper) {
                Some(inner) => inner.rows(wrapper),
                None if fields.is_empty() => Vec::new(),
                None => vec![self],
            },
            Node::List(items) => items.iter().collect(),
            Node::Null => Vec::new(),
            single => vec![single],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Node {
        Node::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn digits_survive() {
        let node = read(r#"{"id": 12000031234567891234, "price": 9.10, "sku": "12000031234567891"}"#);
        assert_eq!(node.at("id").digits(), Some("12000031234567891234"));
        assert_eq!(node.at("price").text(), Some("9.10"));
        assert_eq!(node.at("price").digits(), None);
        assert_eq!(node.at("sku").whole(), Some(12_000_031_234_567_891));
        assert_eq!(read("8.198e15").digits(), None);
        assert_eq!(read("-5").whole(), None);
    }

    #[test]
    fn lists_come_in_four_shapes() {
        let check = |text: &str, count: usize| assert_eq!(read(text).rows("number").len(), count, "{text}");
        check(r#"{"number":[1,2]}"#, 2);
        check("[1,2]", 2);
        check(r#"{"number":1}"#, 1);
        check("1", 1);
        check(r#"{"order_id":1}"#, 1);
        check("null", 0);
        check("{}", 0);
        check("[]", 0);
    }

    #[test]
    fn broken_json_is_nothing() {
        let deep = "[".repeat(5000) + &"]".repeat(5000);
        for text in ["", "{", "<html>", "{} {}", r#"{"a":"#, "\"\u{1}", deep.as_str()] {
            assert_eq!(Node::parse(text.as_bytes()), None, "{}", &text[..text.len().min(20)]);
        }
        assert_eq!(Node::parse(b"\"\xff\""), None);
    }

    #[test]
    fn absent_is_null_all_the_way() {
        let node = read(r#"{"a":{"b":"true","c":""}}"#);
        assert_eq!(node.at("a").at("b").flag(), Some(true));
        assert_eq!(node.at("x").at("y").text(), None);
        assert_eq!(node.at("a").at("c").text(), None);
        assert!(node.at("a").is_object() && node.fields().count() == 1);
    }
}
