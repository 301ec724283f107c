//! Lists in pages: a limit, and a cursor that names the last row seen. A cursor is opaque to the client and stays good
//! while rows are added.

use crate::web::problem::Problem;
use crate::web::request::Request;
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

pub(super) struct Page {
    /// Rows on a page.
    most: usize,
    /// Time in milliseconds and id of the last row seen; `None` = the first page.
    pub after: Option<(i64, String)>,
}

const MOST_DEFAULT: usize = 50;
const MOST_MAX: usize = 200;

impl Page {
    /// `limit` (1 to 200, usually 50) and `cursor` of a query.
    pub fn of(request: &Request) -> Result<Self, Problem> {
        let most = match request.query_value("limit") {
            None => MOST_DEFAULT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|n| (1..=MOST_MAX).contains(n))
                .ok_or_else(|| bad("limit", "a whole number from 1 to 200"))?,
        };
        let after = match request.query_value("cursor") {
            None => None,
            Some(text) => Some(read(text).ok_or_else(|| bad("cursor", "the nextCursor of an answer"))?),
        };
        Ok(Self { most, after })
    }

    /// How many rows to ask the store for: one more than fits tells whether there is a next page.
    pub fn wanted(&self) -> u32 {
        u32::try_from(self.most).unwrap_or(u32::MAX) + 1
    }

    /// Cuts the rows to the page and answers the cursor of the next one, `null` where this was the last.
    pub fn cut<T>(&self, rows: &mut Vec<T>, name: impl Fn(&T) -> (i64, String)) -> Value {
        if rows.len() <= self.most {
            return Value::Null;
        }
        rows.truncate(self.most);
        rows.last().map_or(Value::Null, |last| {
            let (ms, id) = name(last);
            BASE64URL_NOPAD.encode(format!("{ms} {id}").as_bytes()).into()
        })
    }
}

fn read(cursor: &str) -> Option<(i64, String)> {
    let text = String::from_utf8(BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?).ok()?;
    let (ms, id) = text.split_once(' ')?;
    Some((ms.parse().ok()?, id.to_owned()))
}

/// A query that makes no sense.
pub(super) fn bad(name: &str, wanted: &str) -> Problem {
    Problem::bad_request("bad_query", format!("{name}: wanted {wanted}")).with("field", name)
}

/// Refuses query keys that nobody reads: a misspelt filter must not show everything.
pub(super) fn only(request: &Request, known: &[&str]) -> Result<(), Problem> {
    match request.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => Err(bad(name, &format!("one of {}", known.join(", ")))),
        None => Ok(()),
    }
}
