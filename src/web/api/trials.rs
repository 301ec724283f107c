//! The test flows: a rehearsal on a stage of its own, a real order that the owner pays for, or a purchase and nothing
//! else. Every field that is missing is named and none is made up (L14); with real money every gate has to be open, and
//! no PayPal capture is ever made.

use super::desk::{Desk, other_body};
use super::errands::{self, Task};
use super::input::{self, Given, invalid};
use super::trial_fields::{self, FlowGiven, PurchaseGiven};
use crate::assure::{gate, integrity, lookout, readiness};
use crate::domain::money::Currency;
use crate::domain::order::{Mode, OrderId};
use crate::engine::intake::{Rejected, Taken};
use crate::engine::trial::{TestOrder, Trial};
use crate::engine::trial_goods::NoGoods;
use crate::rehearsal::Script;
use crate::rehearsal::flow::{FlowError, Run};
use crate::rehearsal::flow_report::{Setting, flow_report, purchase_report};
use crate::store;
use crate::store::Schema;
use crate::store::errands::Kind;
use crate::web::problem::Problem;
use crate::web::request::Request;
use crate::web::response::Response;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What the owner has to say before real money is spent.
const CONFIRMATION: &str = "spend real money";

/// A test order from the fields of a test flow, for who asks without a server. `Err`: what is wrong or missing, in a line.
pub fn test_order(body: &[u8], currency: Currency) -> Result<TestOrder, String> {
    let given: FlowGiven = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let wanted = trial_fields::flow(&given, currency).map_err(|problem| problem.detail)?;
    let missing = wanted.missing();
    if missing.is_empty() { Ok(wanted) } else { Err(Rejected::Missing(missing).to_string()) }
}

/// `POST /api/internal/test-post-sale-flow`.
pub(super) fn flow(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let given: FlowGiven = input::body(request)?;
    let simulate = input::boolean("simulate", &given.simulate)?;
    let write_report = input::boolean("writeReport", &given.write_report)?.unwrap_or(false);
    let mut warnings = Vec::new();
    if given.user_id.is_some() {
        warnings.push("userId is ignored: an order belongs to the shop");
    }
    let wanted = trial_fields::flow(&given, desk.engine.settings.policy.currency)?;
    let mut missing = wanted.missing();
    if simulate.is_none() {
        missing.insert(0, "simulate");
    }
    let is_real = simulate == Some(false) && confirm(desk, &given.confirm, &mut missing)?;
    all_there(missing)?;
    let finished = Finish { warnings, reports: write_report.then(|| desk.engine.settings.data_dir.join("reports")) };
    if simulate == Some(true) {
        return rehearse(desk, request, wanted, finished);
    }
    if is_real {
        gates(desk)?;
    }
    let kind = Kind::TestPostSaleFlow;
    let wanted = TestOrder { reference: reference(request)?, ..wanted };
    real(desk, request, kind, |desk| Ok(desk.engine.take_test_order(&wanted)?), finished)
}

/// `POST /api/internal/test-fulfillment-only`.
pub(super) fn purchase(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    let given: PurchaseGiven = input::body(request)?;
    let (wanted, product) = trial_fields::purchase(&given, desk.engine.settings.policy.currency)?;
    let mut missing = wanted.missing();
    if wanted.sku.is_none() && product.is_none() {
        missing.insert(0, "productUrl or sku");
    }
    let is_real = confirm(desk, &given.confirm, &mut missing)?;
    all_there(missing)?;
    if is_real {
        gates(desk)?;
    }
    let reference = reference(request)?;
    let take = |desk: &Desk| {
        let mut wanted = TestOrder { reference, ..wanted };
        if let Some(product_id) = product {
            let country = wanted.buyer.address.country.as_deref().unwrap_or_default();
            wanted.sku = Some(desk.engine.goods_of(&product_id, country, wanted.price)?);
        }
        Ok(desk.engine.take_test_order(&wanted)?)
    };
    real(desk, request, Kind::TestFulfillmentOnly, take, Finish::default())
}

/// `GET …/{orderId}`: the report as the rows stand now.
pub(super) fn flow_of(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    report_of(desk, request, Kind::TestPostSaleFlow, Trial::WholeRoad)
}

pub(super) fn purchase_of(desk: &Desk, request: &Request) -> Result<Response, Problem> {
    report_of(desk, request, Kind::TestFulfillmentOnly, Trial::PurchaseOnly)
}

fn report_of(desk: &Desk, request: &Request, kind: Kind, trial: Trial) -> Result<Response, Problem> {
    let order = OrderId(request.param("id").to_owned());
    let row = desk.engine.store.read(|c| store::views::order(c, &order))?;
    match row.filter(|row| row.origin == trial.origin().word()) {
        Some(_) => Ok(Response::json(200, &report(desk, kind, &order)?)),
        None => Err(Problem::not_found("There is no such test order.")),
    }
}

/// The last part of the route whose orders these are.
pub(super) fn route_of(kind: Kind) -> &'static str {
    match kind {
        Kind::TestFulfillmentOnly => "test-fulfillment-only",
        _ => "test-post-sale-flow",
    }
}

pub(super) fn report(desk: &Desk, kind: Kind, order: &OrderId) -> Result<Value, Problem> {
    told(&desk.engine.store, kind, order, &setting(desk))
}

fn told(store: &store::Store, kind: Kind, order: &OrderId, setting: &Setting) -> Result<Value, Problem> {
    Ok(match kind {
        Kind::TestFulfillmentOnly => json!(purchase_report(store, order, setting)?),
        _ => json!(flow_report(store, order, setting)?),
    })
}

fn setting(desk: &Desk) -> Setting {
    let named = desk.installation.as_ref().map(|at| (at.paypal.clone(), at.aliexpress.clone()));
    let (paypal, aliexpress) = named.unwrap_or_else(|| ("PayPal".to_owned(), "AliExpress".to_owned()));
    Setting { simulate: false, paypal, aliexpress, books: None }
}

/// What is done with the answer of a flow.
#[derive(Default)]
struct Finish {
    warnings: Vec<&'static str>,
    /// Where a copy of the report is written; `None` = nowhere.
    reports: Option<std::path::PathBuf>,
}

impl Finish {
    fn with(self, mut answer: Value) -> Result<Value, Problem> {
        if !self.warnings.is_empty() {
            answer["warnings"] = json!(self.warnings);
        }
        if let Some(dir) = self.reports {
            let order = answer["orderId"].as_str().unwrap_or_default().to_owned();
            answer["reportFile"] = written(&dir, &format!("test-flow-{order}.json"), &answer)?.into();
        }
        Ok(answer)
    }
}

fn written(dir: &Path, name: &str, answer: &Value) -> Result<String, Problem> {
    let path = dir.join(name);
    let text = serde_json::to_string_pretty(answer).unwrap_or_default() + "\n";
    std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&path, text)).map_err(|error| {
        log::error!("{}: {error}", path.display());
        Problem::internal()
    })?;
    Ok(path.display().to_string())
}

fn rehearse(desk: &Desk, request: &Request, wanted: TestOrder, finish: Finish) -> Result<Response, Problem> {
    let run = desk.flows.enter()?;
    let engine = Arc::clone(&desk.engine);
    let work = move || {
        let settings = &engine.settings;
        let script = Script { shop: settings.shop.clone(), policy: settings.policy.clone(), start: engine.now() };
        finish.with(json!(run.simulate(&engine.store, script, &wanted)?))
    };
    let task = Task { kind: Kind::TestPostSaleFlow, is_rehearsal: true, order: None };
    let errand = errands::begin(desk, request, task, work)?;
    errands::answer(desk, request, &errand, |answer| Ok(Response::json(200, &answer)))
}

/// **Lets money move**: the order is taken like any other, and its report waits until it rests.
fn real(
    desk: &Desk,
    request: &Request,
    kind: Kind,
    take: impl FnOnce(&Desk) -> Result<Taken, Problem>,
    finish: Finish,
) -> Result<Response, Problem> {
    let run = desk.flows.enter()?;
    let order = take(desk).map_err(|problem| match problem.code {
        // Under the same Idempotency-Key.
        "other_content" => other_body(),
        _ => problem,
    })?;
    let order = order.order;
    // Less than a client waits, so that the report reaches him.
    let most = desk.slow_patience.saturating_sub(Duration::from_secs(5));
    let (engine, setting, id) = (Arc::clone(&desk.engine), setting(desk), order.clone());
    let work = move || {
        let run: Run = run;
        run.follow(&engine, &id, most)?;
        let mut answer = told(&engine.store, kind, &id, &setting)?;
        answer["reportUrl"] = format!("/api/internal/{}/{id}", route_of(kind)).into();
        finish.with(answer)
    };
    let task = Task { kind, is_rehearsal: false, order: Some(order) };
    let errand = errands::begin(desk, request, task, work)?;
    errands::answer(desk, request, &errand, |answer| Ok(Response::json(200, &answer)))
}

/// The same request again is the same order.
fn reference(request: &Request) -> Result<Option<String>, Problem> {
    match request.header("idempotency-key") {
        Some(_) => Ok(Some(format!("key-{}", &store::claims::hash(request.idempotency_key()?.as_bytes())[..32]))),
        None => Ok(None),
    }
}

/// Whether this is real money; then the owner has to say so in words.
fn confirm(desk: &Desk, given: &Given, missing: &mut Vec<&'static str>) -> Result<bool, Problem> {
    let said = input::text("confirm", given, 100)?;
    let is_real = desk.engine.settings.mode == Mode::Production;
    match said.as_deref() {
        None if is_real => missing.push("confirm"),
        Some(said) if is_real && said != CONFIRMATION => {
            return Err(invalid("confirm", format!("wanted the words \"{CONFIRMATION}\"")));
        }
        _ => {}
    }
    Ok(is_real)
}

fn all_there(missing: Vec<&'static str>) -> Result<(), Problem> {
    if missing.is_empty() { Ok(()) } else { Err(Rejected::Missing(missing).into()) }
}

/// 409 with every row that stands in the way of real money.
fn gates(desk: &Desk) -> Result<(), Problem> {
    let missing = || Problem::unavailable("no_installation", "This server cannot ask its own gates.", 60);
    let at = desk.installation.as_deref().ok_or_else(missing)?;
    let engine = &desk.engine;
    let mut seen = lookout::look_around(at, &desk.build.commit);
    seen.far_clock = engine.far_clock();
    let schema = Schema { found: desk.schema_version, known: desk.schema_version };
    let report = readiness::report(at, &engine.store, schema, &desk.build.commit, engine.now(), &seen)?;
    let check = integrity::check(&engine.store, &desk.question(false))?;
    let rows = gate::in_the_way(&report, &check);
    if rows.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let detail = format!("No real money before these rows are green: {}.", names.join(", "));
    Err(Problem::conflict("not_ready", detail).with("rows", json!(rows)))
}

impl From<FlowError> for Problem {
    fn from(error: FlowError) -> Self {
        match error {
            FlowError::Busy => Self::conflict("flow_running", "Another test flow is running; one at a time."),
            FlowError::Rejected(rejected) => rejected.into(),
            FlowError::Engine(error) => error.into(),
            FlowError::Store(error) => error.into(),
            FlowError::Rehearsal(error) => {
                log::error!("{error}");
                Self::internal()
            }
        }
    }
}

impl From<NoGoods> for Problem {
    fn from(error: NoGoods) -> Self {
        let detail = error.to_string();
        match error {
            NoGoods::SeveralProducts(skus) => Self::bad_request("several_products", detail).with("skus", skus),
            NoGoods::SeveralVariants(offered) => {
                let variants: Vec<Value> = offered
                    .iter()
                    .map(|v| {
                        json!({ "skuId": v.sku_id, "skuAttr": v.sku_attr, "price": v.price.decimal(),
                        "currency": v.price.currency.code(), "quantity": v.stock })
                    })
                    .collect();
                Self::bad_request("several_variants", detail).with("field", "productUrl").with("variants", variants)
            }
            NoGoods::PriceMissing(_) => Self::bad_request("missing_field", detail).with("field", "price"),
            NoGoods::NotSold(_) => Self::conflict("not_sold", detail).with("field", "productUrl"),
            NoGoods::NotKnown(_) => Self::unavailable("aliexpress_unavailable", detail, 30),
            NoGoods::Engine(error) => error.into(),
        }
    }
}
