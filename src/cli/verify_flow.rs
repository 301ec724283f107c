//! The flows that `postsale verify` runs before it writes its report: a rehearsal, a real test order, or a checkout that
//! the owner pays. A server sends; this only asks it. Every value begins with OK, FAILED, BLOCKED, PENDING or SKIPPED and
//! ends with its evidence, and what could not be done is said and never counted as done.

use super::assemble::settings;
use super::exit::Failure;
use super::interface::{Interface, Told, random_key};
use super::sources::{Joined, Sources};
use super::verify_checkout;
use crate::cli::assemble::Outside;
use crate::rehearsal::Script;
use crate::rehearsal::flow::{FlowError, Flows};
use crate::web::api::test_order;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Which flow was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Nothing,
    Simulate,
    Real,
    /// An order that the owner pays at PayPal.
    Checkout,
}

/// What was typed about it.
#[derive(Clone, Debug)]
pub struct FlowAsked {
    pub wanted: Wanted,
    /// A file with the fields of the test flow; `None` = the only product, and in a sandbox a buyer of the stage.
    pub order: Option<PathBuf>,
    /// The owner's words for real money.
    pub confirm: Option<String>,
    /// How long the owner may take to approve.
    pub wait_minutes: u32,
}

/// What came of a flow: its title, its values by name, and the whole answer.
pub struct Flow {
    pub title: &'static str,
    pub values: Vec<(String, String)>,
    pub answer: Value,
}

impl Flow {
    /// `None` = it ended well.
    pub fn is_wanting(&self) -> Option<Wanting> {
        let begins = |words: &[&str]| {
            let road = self.values.iter().filter(|(name, _)| name != "SYSTEM_READY_FOR_REAL_MONEY");
            road.into_iter().any(|(_, value)| words.iter().any(|word| value.starts_with(word)))
        };
        if begins(&["FAILED", "BLOCKED"]) {
            Some(Wanting::NotGood)
        } else {
            (self.values.is_empty() || begins(&["PENDING", "UNKNOWN"])).then_some(Wanting::NotKnownYet)
        }
    }

    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n", self.title);
        for (name, value) in &self.values {
            text.push_str(&format!("- {name}: {value}\n"));
        }
        text + "\n"
    }

    /// The values of an answer of the interface; a refusal is a value too.
    fn of(title: &'static str, told: Told) -> Flow {
        let values = match told.body["report"].as_object() {
            Some(report) if told.is_good() => pairs(report),
            _ if told.is_good() => Vec::new(),
            _ => vec![("TEST_FLOW".to_owned(), format!("BLOCKED {}", told.reason()))],
        };
        Flow { title, values, answer: told.body }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanting {
    NotGood,
    NotKnownYet,
}

/// The values in the order of the road.
const ROAD: [&str; 12] = [
    "ORDER_CREATED",
    "FULFILL_EXECUTED",
    "ATTEMPT_PURCHASE",
    "EXECUTE_PURCHASE",
    "SALE_CREATED",
    "NET_PROFIT_CALCULATED",
    "PAYOUT_TRIGGERED",
    "PAYOUT_EXECUTED",
    "DATABASE_FLAG_CONFIRMED",
    "ANY_RACE_CONDITION",
    "ANY_NULL_FIELD_FAILURE",
    "SYSTEM_READY_FOR_REAL_MONEY",
];

/// A value that is not in the answer was not told.
fn pairs(report: &Map<String, Value>) -> Vec<(String, String)> {
    let value = |name: &str| report.get(name).and_then(Value::as_str).unwrap_or("UNKNOWN not told").to_owned();
    ROAD.iter().map(|name| ((*name).to_owned(), value(name))).collect()
}

/// A buyer for a stage on which nothing is sent anywhere.
fn stage_buyer() -> Value {
    json!({
        "buyerName": "Jane Miller", "buyerEmail": "jane@buyer.test", "phone": "+1 559 360 0000",
        "addressLine1": "12 Oak Street", "city": "Vineland", "state": "New Jersey", "zipCode": "08360", "country": "US",
    })
}

/// The fields of the order. With real money nothing is made up (L14).
fn fields(asked: &FlowAsked, is_stage: bool) -> Result<Value, Failure> {
    let mut fields = match &asked.order {
        Some(path) => read(path)?,
        None if is_stage => stage_buyer(),
        None => {
            let needed =
                "a real order goes to a real buyer: name a file with sku, buyer and shippingAddress, --order FILE";
            return Err(Failure::Senseless(needed.to_owned()));
        }
    };
    if let Some(confirm) = &asked.confirm {
        fields["confirm"] = confirm.as_str().into();
    }
    Ok(fields)
}

fn read(path: &Path) -> Result<Value, Failure> {
    let text = std::fs::read(path).map_err(Failure::file(path))?;
    let fields: Value =
        serde_json::from_slice(&text).map_err(|error| Failure::Senseless(format!("{}: {error}", path.display())))?;
    if fields.is_object() {
        return Ok(fields);
    }
    Err(Failure::Senseless(format!("{}: wanted an object with the fields of a test flow", path.display())))
}

/// Through a server that runs. `is_sandbox`: the server's own mode.
pub fn through(server: &Interface, asked: &FlowAsked, is_sandbox: bool) -> Result<Option<Flow>, Failure> {
    let simulate = match asked.wanted {
        Wanted::Nothing => return Ok(None),
        Wanted::Checkout => {
            let fields = fields(asked, is_sandbox)?;
            return verify_checkout::run(server, fields, asked.wait_minutes).map(Some);
        }
        Wanted::Simulate => true,
        Wanted::Real => false,
    };
    let mut fields = fields(asked, is_sandbox || simulate)?;
    fields["simulate"] = simulate.into();
    let told = server.slow("/api/internal/test-post-sale-flow", &random_key()?, &fields)?;
    Ok(Some(Flow::of(if simulate { "REHEARSED TEST FLOW" } else { "TEST FLOW" }, told)))
}

/// A rehearsal in this process, beside the database of a shop whose server does not run.
pub fn here(sources: &Sources, asked: &FlowAsked) -> Result<Flow, Failure> {
    let Joined { config, secrets, store, clock } = sources.join()?;
    let settings = settings(&config, &Outside::described(&config, &secrets), String::new());
    let mut fields = fields(asked, true)?;
    fields["simulate"] = true.into();
    let refused = |why: String| Failure::Refused(format!("the rehearsal was not begun: {why}"));
    let wanted = test_order(&fields.to_string().into_bytes(), settings.policy.currency).map_err(refused)?;
    let script = Script { shop: settings.shop, policy: settings.policy, start: clock.now() };
    let run = Flows::new().enter().and_then(|run| run.simulate(&store, script, &wanted));
    let report = run.map_err(|error| match error {
        FlowError::Rejected(rejected) => refused(rejected.to_string()),
        FlowError::Rehearsal(error) => error.into(),
        FlowError::Engine(error) => error.into(),
        FlowError::Store(error) => error.into(),
        FlowError::Busy => refused(FlowError::Busy.to_string()),
    })?;
    Ok(Flow::of("REHEARSED TEST FLOW", Told { status: 200, body: json!(report) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l6_a_flow_is_as_good_as_its_worst_value() {
        let check = |values: &[(&str, &str)], expected: Option<Wanting>| {
            let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let flow = Flow { title: "T", values, answer: Value::Null };
            assert_eq!(flow.is_wanting(), expected, "{}", flow.markdown());
        };
        let ready = ("SYSTEM_READY_FOR_REAL_MONEY", "BLOCKED sandbox");
        check(&[("A", "OK x"), ("B", "SKIPPED y"), ready], None);
        check(&[("A", "OK x"), ("B", "PENDING y"), ready], Some(Wanting::NotKnownYet));
        check(&[("A", "PENDING x"), ("B", "FAILED y")], Some(Wanting::NotGood));
        check(&[("A", "BLOCKED x")], Some(Wanting::NotGood));
        check(&[], Some(Wanting::NotKnownYet));
        let refused = Flow::of("T", Told { status: 409, body: json!({ "code": "not_ready", "detail": "no" }) });
        assert_eq!(refused.is_wanting(), Some(Wanting::NotGood));
        assert_eq!(refused.values[0].1, "BLOCKED 409 not_ready: no");
    }

    #[test]
    fn l14_a_real_order_has_no_buyer_of_ours() {
        let asked = |order| FlowAsked { wanted: Wanted::Real, order, confirm: None, wait_minutes: 1 };
        assert!(matches!(fields(&asked(None), false), Err(Failure::Senseless(_))));
        assert_eq!(fields(&asked(None), true).unwrap()["buyerName"], "Jane Miller");
        assert!(matches!(fields(&asked(Some("/nowhere".into())), true), Err(Failure::File { .. })));
    }
}
