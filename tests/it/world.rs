//! A whole shop in one process: real store, real journal, real engine and parsers, the built-in far sides plugged into
//! the wire, and a clock wound by hand. Every test of the road starts here.

use crate::tap::Tap;
use jiff::{SignedDuration, Timestamp};
use postsale::clock::{Clock, HandClock};
use postsale::domain::money::{Currency, Money, Rate};
use postsale::domain::order::{Address, Buyer, Mode, OrderId, Variant};
use postsale::domain::policy::{
    CommissionBase, CommissionRule, Limits, PaidBy, PayoutPolicy, Policy, Purchasing, ReleaseEvent,
};
use postsale::domain::trade::FarSide;
use postsale::engine::intake::Report;
use postsale::engine::{ALIEXPRESS, Engine, OpenError, Parts, Settings};
use postsale::gateway::aliexpress::AliExpress;
use postsale::gateway::paypal::PayPal;
use postsale::rehearsal::plug::Plug;
use postsale::secret::Secret;
use postsale::store::products::Product;
use postsale::store::{self, Store};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub fn usd(text: &str) -> Money {
    Money::parse(text, Currency::new("USD").unwrap()).unwrap()
}

/// A policy in which nothing waits but what must.
pub fn policy() -> Policy {
    let seconds = SignedDuration::from_secs;
    Policy {
        currency: Currency::new("USD").unwrap(),
        purchasing: Purchasing::Automatic,
        first_orders_manual: 0,
        is_shadow: false,
        cancel_buffer: SignedDuration::ZERO,
        quote_max_age: seconds(900),
        look_again: [300, 900, 3600, 86400, 86400, 86400, 86400, 86400].map(seconds).to_vec(),
        is_auto_pay: true,
        limits: Limits {
            orders_per_day: 20,
            spend_per_day: usd("500.00"),
            purchase_max: usd("200.00"),
            profit_min: usd("1.00"),
            margin_min: Rate::parse_percent("5").unwrap(),
            payouts_per_day: 40,
            payout_max: usd("1000.00"),
            refunds_per_day: 10,
            pay_out_per_day: usd("1000.00"),
            free_capital: None,
        },
        fx: postsale::domain::fx::FxPolicy {
            max_age: SignedDuration::from_hours(72),
            margin: Rate::parse_percent("3").unwrap(),
        },
        payouts: Some(PayoutPolicy {
            commission: CommissionRule { rate: Rate::parse_percent("10").unwrap(), base: CommissionBase::GrossProfit },
            after: ReleaseEvent::SupplierPaid,
            hold_days: 0,
        }),
        paid_by: PaidBy::Owner,
    }
}

/// The far sides' clock, which nobody sets when somebody sets ours.
struct TrueTime(Arc<HandClock>);

impl Clock for TrueTime {
    fn now(&self) -> Timestamp {
        self.0.true_time()
    }
}

thread_local! {
    /// Switches of the far sides that this thread meets from now on.
    static LIKE: RefCell<Vec<(&'static str, Value)>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` with far sides whose switches stand so from the beginning.
pub fn under<R>(switches: Vec<(&'static str, Value)>, f: impl FnOnce() -> R) -> R {
    struct Back(Vec<(&'static str, Value)>);
    impl Drop for Back {
        fn drop(&mut self) {
            LIKE.set(std::mem::take(&mut self.0));
        }
    }
    let _back = Back(LIKE.replace(switches));
    f()
}

/// Far sides of their own, as this thread wants them.
fn far_sides(clock: &Arc<HandClock>) -> Arc<Plug> {
    let plug = Arc::new(Plug::new(Arc::new(TrueTime(Arc::clone(clock))), 7));
    for (name, value) in LIKE.with_borrow(Clone::clone) {
        turn(&plug, name, value);
    }
    plug
}

fn turn(plug: &Plug, name: &str, value: Value) {
    let (status, body) = plug.control("POST", "/__control/switches", &json!({ name: value }));
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
}

/// When every world begins.
const BEGINNING: &str = "2026-03-01T12:00:00Z";

/// A data directory with a database that was founded at the beginning, copied and not made anew: the migrations are
/// tried elsewhere.
fn founded_dir() -> tempfile::TempDir {
    static FOUNDED: OnceLock<Vec<u8>> = OnceLock::new();
    let bytes = FOUNDED.get_or_init(|| {
        let dir = data_dir();
        let wanted = store::open::Wanted { mode: Mode::Sandbox, shop: "shop", now: BEGINNING.parse().unwrap() };
        store::open::open(dir.path(), &wanted).unwrap().checkpoint().unwrap();
        std::fs::read(store::open::path(dir.path())).unwrap()
    });
    let dir = data_dir();
    std::fs::write(store::open::path(dir.path()), bytes).unwrap();
    dir
}

pub struct World {
    mode: Mode,
    pub dir: Arc<tempfile::TempDir>,
    pub clock: Arc<HandClock>,
    pub plug: Arc<Plug>,
    pub tap: Arc<Tap>,
    pub engine: Arc<Engine>,
    pub policy: Policy,
    /// The second path of the journal, from the next start on.
    pub mirror: Option<PathBuf>,
}

impl World {
    pub fn new() -> World {
        World::with(policy())
    }

    /// With what lies in the PayPal account booked as the owner's.
    pub fn with(policy: Policy) -> World {
        let world = World::penniless_with(policy);
        world.engine.book_opening_balance().unwrap();
        world
    }

    /// With books that begin at nothing, so that every cent in them was earned on the road.
    pub fn penniless() -> World {
        World::penniless_with(policy())
    }

    pub fn penniless_with(policy: Policy) -> World {
        let clock = Arc::new(HandClock::new(BEGINNING.parse().unwrap()));
        let plug = far_sides(&clock);
        World::beside(founded_dir(), clock, plug, policy)
    }

    /// The same in a directory whose founded database stands open.
    pub fn penniless_on(dir: Arc<tempfile::TempDir>, store: Arc<Store>, policy: Policy) -> World {
        let clock = Arc::new(HandClock::new(BEGINNING.parse().unwrap()));
        let plug = far_sides(&clock);
        World::of_store(Mode::Sandbox, (dir, store), clock, plug, policy)
    }

    /// A shop of its own that meets the same far sides.
    pub fn beside(dir: tempfile::TempDir, clock: Arc<HandClock>, plug: Arc<Plug>, policy: Policy) -> World {
        World::of_mode(Mode::Sandbox, dir, clock, plug, policy)
    }

    /// The rules of production, at the built-in far sides; with money in the account.
    pub fn production(policy: Policy) -> World {
        let clock = Arc::new(HandClock::new(BEGINNING.parse().unwrap()));
        let plug = far_sides(&clock);
        let world = World::of_mode(Mode::Production, data_dir(), clock, plug, policy);
        world.engine.book_opening_balance().unwrap();
        world
    }

    fn of_mode(mode: Mode, dir: tempfile::TempDir, clock: Arc<HandClock>, plug: Arc<Plug>, policy: Policy) -> World {
        let store = open_store(mode, dir.path(), clock.now());
        World::of_store(mode, (Arc::new(dir), store), clock, plug, policy)
    }

    fn of_store(
        mode: Mode,
        (dir, store): (Arc<tempfile::TempDir>, Arc<Store>),
        clock: Arc<HandClock>,
        plug: Arc<Plug>,
        policy: Policy,
    ) -> World {
        let tap = Arc::new(Tap::new(Arc::clone(&plug)));
        let engine = open_engine(mode, (dir.path(), store), &clock, &plug, &tap, &policy, None).unwrap();
        let world = World { mode, dir, clock, plug, tap, engine, policy, mirror: None };
        world.log_in();
        world.engine.confirm_first_payees().unwrap();
        world.engine.put_product(&mug()).unwrap();
        world
    }

    /// Lets go of everything in memory and opens the same files again, as after a kill.
    pub fn restart(&mut self) {
        self.try_restart().unwrap();
    }

    /// The same, for a start that may be refused: says why.
    pub fn try_restart(&mut self) -> Result<(), String> {
        self.start_on(open_store(self.mode, self.dir.path(), self.clock.now()))
    }

    /// The same with the database as it stands open: its connections keep their statements, and remember nothing else.
    pub fn restart_on_open(&mut self) {
        self.start_on(Arc::clone(&self.engine.store)).unwrap();
    }

    fn start_on(&mut self, store: Arc<Store>) -> Result<(), String> {
        let (place, mirror) = ((self.dir.path(), store), self.mirror.clone());
        let opened = open_engine(self.mode, place, &self.clock, &self.plug, &self.tap, &self.policy, mirror);
        self.engine = opened.map_err(|error| error.to_string())?;
        Ok(())
    }

    /// The same, with another data directory in the place of this one.
    pub fn restart_in(&mut self, dir: tempfile::TempDir) {
        self.dir = Arc::new(dir);
        self.restart();
    }

    /// The files of the data directory as they lie there now, as a backup or a clone of the machine would have them.
    pub fn copy_of_files(&self) -> tempfile::TempDir {
        let copy = data_dir();
        for entry in std::fs::read_dir(self.dir.path()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
            }
        }
        copy
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    fn log_in(&self) {
        let now = self.clock.now();
        let granted = self.plug.sides().credentials(now.as_millisecond());
        let login = store::tokens::Login {
            account: None,
            access_token: granted.aliexpress_access_token,
            refresh_token: Some(granted.aliexpress_refresh_token),
            access_expires_at: Timestamp::from_millisecond(granted.access_expires_at_ms).unwrap(),
            refresh_expires_at: Some(Timestamp::from_millisecond(granted.refresh_expires_at_ms).unwrap()),
        };
        self.engine.store.write(|tx| store::tokens::put(tx, ALIEXPRESS, &login, now)).unwrap();
    }

    /// The shop's own time, whatever its clock shows.
    pub fn now(&self) -> Timestamp {
        self.engine.now()
    }

    pub fn wind(&self, by: SignedDuration) {
        self.clock.wind(by);
    }

    /// Works until nothing is due, winding the clock to the next due time, at most `most` ahead.
    pub fn run_for(&self, most: SignedDuration) {
        let end = self.now() + most;
        loop {
            self.engine.run_due().unwrap();
            let next = self.engine.store.read(store::trades::next_due).unwrap();
            match next {
                Some(at) if at <= end => {
                    let step = at.duration_since(self.now());
                    self.wind(step.max(SignedDuration::from_millis(1)));
                }
                _ => break,
            }
        }
        let rest = end.duration_since(self.now());
        if rest.is_positive() {
            self.wind(rest);
        }
    }

    /// Opens a checkout for one mug and lets the engine open it at PayPal.
    pub fn checkout(&self) -> OrderId {
        self.checkout_of("MUG", 1)
    }

    pub fn checkout_of(&self, sku: &str, quantity: u32) -> OrderId {
        let taken = self.engine.open_checkout_order(sku, quantity, Some(jane()), None).unwrap();
        self.engine.run_due().unwrap();
        taken.order
    }

    pub fn paypal_order(&self, order: &OrderId) -> String {
        let checkout = self.engine.store.read(|c| store::checkouts::load(c, order)).unwrap().unwrap();
        checkout.paypal_order_id.expect("opened at PayPal")
    }

    /// The buyer approves at PayPal and comes back.
    pub fn approve(&self, order: &OrderId) {
        self.wind(SignedDuration::from_secs(1));
        let paypal_order_id = self.paypal_order(order);
        let (status, body) =
            self.plug.control("POST", &format!("/__control/paypal/orders/{paypal_order_id}/approve"), &json!({}));
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        self.engine.buyer_returned(order).unwrap();
    }

    /// Works for so many days, as a slow machine would: at first every two hours, later once a day.
    pub fn run_days(&self, days: i64) {
        let hours = SignedDuration::from_hours;
        let (end, first_day) = (self.now() + hours(24 * days), self.now() + hours(24));
        while self.now() < end {
            if self.engine.store.read(store::trades::next_due).unwrap().is_none() {
                return self.wind(end.duration_since(self.now()));
            }
            self.wind(if self.now() < first_day { hours(2) } else { hours(24) });
            self.run_for(SignedDuration::from_secs(20));
        }
    }

    /// A checkout of one mug by the nth buyer, approved.
    pub fn paid_order_of(&self, n: u32) -> OrderId {
        let taken = self.engine.open_checkout_order("MUG", 1, Some(buyer(n)), None).unwrap();
        self.engine.run_due().unwrap();
        self.approve(&taken.order);
        taken.order
    }

    /// A checkout, approved.
    pub fn paid_order(&self) -> OrderId {
        let order = self.checkout();
        self.approve(&order);
        order
    }

    /// Sets a fault at the far side.
    pub fn fault(&self, call: &str, reply: &str, when: &str, times: u32) {
        self.fault_with(json!({ "call": call, "reply": reply, "when": when, "times": times }));
    }

    pub fn fault_with(&self, fault: Value) {
        let (status, body) = self.plug.control("POST", "/__control/faults", &fault);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    }

    pub fn switch(&self, name: &str, value: Value) {
        turn(&self.plug, name, value);
    }

    /// Rows of one kind in the far sides' own book: captures, refunds, payouts, purchases.
    pub fn book(&self, kind: &str) -> Vec<Value> {
        self.plug.book()[kind].as_array().cloned().unwrap()
    }

    pub fn stage(&self, order: &OrderId) -> String {
        self.engine.store.read(|c| store::views::order(c, order)).unwrap().unwrap().stage
    }

    pub fn waits_for(&self, order: &OrderId) -> String {
        self.engine.store.read(|c| store::views::order(c, order)).unwrap().unwrap().waits_for
    }

    pub fn timeline(&self, order: &OrderId) -> Vec<String> {
        let events = self.engine.store.read(|c| store::events::of_order(c, order)).unwrap();
        events.into_iter().map(|e| format!("{} {} {}", e.at, e.kind, e.detail)).collect()
    }

    pub fn show(&self, order: &OrderId) -> String {
        format!("{} {}\n{}", self.stage(order), self.waits_for(order), self.timeline(order).join("\n"))
    }
}

/// A data directory in memory where there is one: the disk's own slowness proves nothing here.
pub fn data_dir() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.unwrap()
}

pub fn open_store(mode: Mode, dir: &Path, now: Timestamp) -> Arc<Store> {
    let wanted = store::open::Wanted { mode, shop: "shop", now };
    Arc::new(store::open::open(dir, &wanted).unwrap())
}

fn open_engine(
    mode: Mode,
    (dir, store): (&Path, Arc<Store>),
    clock: &Arc<HandClock>,
    plug: &Arc<Plug>,
    tap: &Arc<Tap>,
    policy: &Policy,
    journal_mirror: Option<PathBuf>,
) -> Result<Arc<Engine>, OpenError> {
    let granted = plug.sides().credentials(clock.now().as_millisecond());
    let wire = || Arc::clone(tap) as Arc<dyn postsale::gateway::wire::Wire>;
    let paypal = PayPal::new(
        wire(),
        granted.paypal_base_url.clone(),
        granted.paypal_client_id.clone(),
        Secret::new(granted.paypal_client_secret.clone()),
    )
    .hearing(Secret::new(granted.paypal_webhook_id.clone()));
    let aliexpress = AliExpress::new(
        wire(),
        granted.aliexpress_base_url.clone(),
        granted.aliexpress_app_key.clone(),
        Secret::new(granted.aliexpress_app_secret.clone()),
        None,
    );
    let settings = Settings {
        mode,
        shop: "shop".to_owned(),
        policy: policy.clone(),
        platform: Some(granted.platform_email.clone()),
        seller: Some(granted.seller_email.clone()),
        merchant_id: Some(granted.paypal_merchant_id.clone()),
        public_url: "http://127.0.0.1:8787".to_owned(),
        paypal: FarSide::Ready,
        aliexpress: FarSide::Ready,
        workers: 4,
        tick: Duration::from_millis(200),
        data_dir: dir.to_owned(),
    };
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let parts = Parts { store, clock, settings, paypal: Some(paypal), aliexpress: Some(aliexpress), journal_mirror };
    Ok(Arc::new(Engine::open(parts)?))
}

/// The product every test sells.
pub fn mug() -> Product {
    Product {
        sku: "MUG".to_owned(),
        title: "A mug".to_owned(),
        price: usd("25.00"),
        variant: Variant {
            product_id: "1005001234567890".to_owned(),
            sku_attr: "14:29#Black".to_owned(),
            sku_id: "12000012345678901".to_owned(),
            service: None,
        },
        landed_cost_max: None,
        is_active: true,
    }
}

pub fn jane() -> Buyer {
    let some = |text: &str| Some(text.to_owned());
    Buyer {
        name: some("Jane Miller"),
        email: some("jane@buyer.test"),
        phone: some("+1 559 360 0000"),
        id_number: None,
        address: Address {
            line1: some("12 Oak Street"),
            line2: None,
            city: some("Vineland"),
            province: some("New Jersey"),
            postal_code: some("08360"),
            country: some("US"),
        },
    }
}

/// A buyer unlike the others.
pub fn buyer(n: u32) -> Buyer {
    let mut buyer = jane();
    buyer.address.line1 = Some(format!("{n} Oak Street"));
    buyer
}

impl World {
    /// One mug, sold through a channel that holds the money.
    pub fn report(&self, channel_order_id: &str) -> Report {
        Report {
            channel: "etsy".to_owned(),
            channel_order_id: channel_order_id.to_owned(),
            items: vec![("MUG".to_owned(), 1)],
            total: usd("25.00"),
            tax: None,
            tax_remitted_by: None,
            fee: Some(usd("1.50")),
            outside_capture: None,
            buyer: jane(),
            paid_at: self.now(),
            says_settled: false,
            may_vouch: false,
            content_hash: channel_order_id.to_owned(),
        }
    }

    pub fn take(&self, report: &Report) -> OrderId {
        self.engine.take_order(report).unwrap().order
    }
}

impl World {
    /// The seller pays a supplier order on the site. Says whether it could be paid.
    pub fn pay_supplier(&self, id: &str) -> bool {
        self.plug.control("POST", &format!("/__control/aliexpress/orders/{id}/pay"), &json!({})).0 == 200
    }

    /// How long the supplier login lasts from now on.
    pub fn login_life(&self) -> SignedDuration {
        let login = self.engine.store.read(|c| store::tokens::find(c, ALIEXPRESS)).unwrap().unwrap();
        login.access_expires_at.duration_since(self.now())
    }
}
