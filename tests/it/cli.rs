//! The program as a person or a supervisor meets it: what it prints, how it ends, what it leaves behind.

use crate::program::{GIVE_UP, MUG, SHIPPED, Serving, Shop, http};
use jiff::Timestamp;
use postsale::cli::serve::House;
use postsale::clock::SystemClock;
use postsale::config::load_text;
use postsale::domain::money::{Currency, Money};
use postsale::domain::order::{Address, Buyer, OrderId};
use postsale::engine::intake::Report;
use postsale::store;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn f41_mistakes_in_the_configuration_exit_78_with_their_line() {
    let check = |config: &str, line: &[&str], expected: &str| {
        let shop = Shop::new(config).with("PAYPAL_CLIENT_SECRET", "hunter2");
        let ended = shop.run(line);
        assert_eq!(ended.code, 78, "{line:?}: {}{}", ended.out, ended.err);
        assert!(ended.err.contains(expected), "{}", ended.err);
        assert!(!ended.err.contains("hunter2") && !shop.file("data").exists());
    };
    check("mode = \"sandbox\"\n[server]\nlisten = 8787\n", &["serve"], "config.toml:3: server.listen: ");
    check("[polcy]\nshadow = true\n", &["serve"], "config.toml:2: polcy.shadow: unknown key");
    check("mode = \"production\"\n", &["plan"], "config.toml: paypal.base_url: production wants");
    check("", &["migrate", "-o", "engine.workers=0"], "command line: engine.workers: ");
    check("mode = \n", &["config", "check"], "config.toml:1: ");
    check("", &["stop", "--config", "elsewhere.toml"], "elsewhere.toml: cannot be read");
}

#[test]
fn a_command_that_does_not_exist_exits_64() {
    let ended = Shop::new("").run(&["fulfil-everything"]);
    assert_eq!((ended.code, ended.out.as_str()), (64, ""));
    assert!(ended.err.contains("fulfil-everything"), "{}", ended.err);
    let outside = Shop::new("").run(&["sandbox", "--listen", "192.0.2.1:0"]);
    assert_eq!(outside.code, 64, "the far sides have no password");
}

/// What it is for: the road, the checks and the readiness report, and one verdict.
#[test]
fn the_demo_shows_the_road_the_checks_and_the_readiness_report() {
    let shown = Shop::new("").good(&["demo"]);
    for expected in [
        "payout_executed is set",
        "PROVEN with score 100",
        "### Phase 3 — integrity: OK",
        "### Phase 4 — test flow: OK",
        "SYSTEM_READY_FOR_REAL_CUSTOMER_TEST: FALSE",
        "\nREHEARSAL_PASSED: TRUE\n",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert_eq!(shown.matches("REHEARSAL_PASSED").count(), 1, "one verdict: {shown}");
}

#[test]
fn help_version_and_completions_print() {
    let shop = Shop::new("");
    assert!(shop.good(&["--help"]).contains("serve"));
    assert!(shop.good(&["--version"]).starts_with("postsale "));
    assert!(!shop.good(&["serve", "--help"]).contains("test-controls"), "it is for tests");
    for shell in ["bash", "zsh", "fish"] {
        assert!(shop.good(&["completions", shell]).contains("postsale"), "{shell}");
    }
}

#[test]
fn config_show_hides_secrets() {
    let shop = Shop::new(SHIPPED)
        .with("PAYPAL_CLIENT_SECRET", "hunter2-paypal")
        .with("INTERNAL_RUN_SECRET", "hunter2-internal")
        .with("POSTSALE_ALERTS__WEBHOOK_URL", "https://chat.shop.tld/hunter2");
    for line in [["config", "show"].as_slice(), &["config", "show", "--json"]] {
        let out = shop.good(line);
        assert!(out.contains("PAYPAL_CLIENT_SECRET") && out.contains("***") && !out.contains("hunter2"), "{out}");
    }
    let checked = shop.run(&["config", "check"]).out;
    assert!(checked.contains("the configuration is good: sandbox mode") && !checked.contains("hunter2"), "{checked}");
}

#[test]
fn warnings_of_the_configuration_exit_1() {
    let shop = Shop::new("[alerts]\nemail_to = \"owner@shop.tld\"\n");
    let ended = shop.run(&["config", "check", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((ended.code, &document["good"]), (1, &serde_json::json!(true)));
    let warned = |key: &str, reason: &str| {
        let warnings = document["warnings"].as_array().unwrap();
        warnings.iter().any(|w| w["key"] == key && w["reason"].as_str().unwrap().contains(reason))
    };
    assert!(warned("alerts.smtp_url", "mail needs both"), "{document}");
    assert!(warned("alerts.email_to", "without effect in this version: nobody is told"), "{document}");
    let shown = shop.good(&["config", "show"]);
    assert!(
        shown.contains("email_to = \"owner@shop.tld\" # config.toml:2, without effect in this version\n"),
        "{shown}"
    );
    let told = shop.run(&["doctor"]);
    assert!(told.out.contains("alerts.email_to: without effect in this version"), "{}{}", told.out, told.err);
}

#[test]
fn products_are_entered_changed_and_listed() {
    let shop = Shop::new(SHIPPED);
    assert_eq!(shop.run(&["products", "list"]).code, 78, "there is no database yet");
    shop.good(&["migrate"]);
    assert!(shop.good(&MUG).contains("mug entered"));
    shop.good(&["products", "put", "mug", "--price", "30"]);
    let table = shop.good(&["products", "list"]);
    assert!(table.contains("SKU") && table.contains("30.00 USD") && table.contains("A mug"), "{table}");
    let listed: serde_json::Value = serde_json::from_str(&shop.good(&["products", "list", "--json"])).unwrap();
    assert_eq!(listed[0]["supplier"]["skuAttr"], "14:29#Black");
    assert_eq!((&listed[0]["price"], &listed[0]["active"]), (&"30.00".into(), &true.into()));
    assert_eq!(shop.run(&["products", "show", "cup"]).code, 2);
    let nameless = shop.run(&["products", "put", "cup", "--price", "1"]);
    assert_eq!(nameless.code, 64);
    assert!(nameless.err.contains("--title"), "{}", nameless.err);
}

#[test]
fn a_server_answers_keeps_its_secret_and_ends_in_good_order() {
    let shop = Shop::new(SHIPPED).with("PAYPAL_CLIENT_SECRET", "hunter2");
    let mut serving = shop.serve();
    let health = serving.ask("/healthz");
    assert!(health.starts_with("HTTP/1.1 200 ") && health.contains("x-postsale-build: "), "{health}");
    assert!(serving.ask("/nothing").starts_with("HTTP/1.1 404 "));

    let secret = std::fs::read_to_string(shop.file("data/internal-secret")).unwrap();
    let rights = |name: &str| std::fs::metadata(shop.file(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((rights("data"), rights("data/internal-secret")), (0o700, 0o600));
    assert!(serving.welcome.contains("data/internal-secret") && serving.welcome.contains("sandbox mode"));
    let printed = serving.welcome.clone() + &shop.log();
    assert!(!printed.contains(secret.trim()) && !printed.contains("hunter2"), "{printed}");
    assert!(printed.contains("PAYPAL_CLIENT_SECRET is set and ignored, because PayPal is built in"), "{printed}");
    let far_side = std::fs::read_to_string(shop.file("data/sandbox-address")).unwrap();
    assert!(serving.welcome.contains(far_side.trim()));

    serving.signal("-TERM");
    assert_eq!(serving.ended(), Some(0), "{}", shop.log());
    assert!(!shop.file("data/address").exists() && !shop.file("data/sandbox-address").exists());
    let mut again = shop.serve();
    again.signal("-INT");
    assert_eq!(again.ended(), Some(0), "{}", shop.log());
}

#[test]
fn f4_the_second_server_exits_75_and_names_the_first() {
    let shop = Shop::new(SHIPPED);
    let serving = shop.serve();
    for line in [["serve", "-o", "server.listen=127.0.0.1:0"].as_slice(), &["migrate"]] {
        let second = shop.run(line);
        assert_eq!(second.code, 75, "{line:?}: {}", second.err);
        assert!(second.err.contains(&format!("process {}", serving.child.id())), "{}", second.err);
    }
    assert!(serving.ask("/healthz").starts_with("HTTP/1.1 200 "), "the first goes on");
    let elsewhere = ["serve", "--data-dir", "other", "-o", &format!("server.listen={}", serving.address)];
    let taken = shop.run(&elsewhere);
    assert_eq!(taken.code, 75, "{}", taken.err);
    assert!(taken.err.contains("cannot listen on") && taken.err.contains("-o server.listen="), "{}", taken.err);
}

#[test]
fn a_database_of_the_other_mode_exits_78() {
    let shop = Shop::new(SHIPPED);
    shop.good(&["migrate"]);
    let production = "mode = \"production\"\n[paypal]\nbase_url = \"none\"\n[aliexpress]\nbase_url = \"none\"\n";
    std::fs::write(shop.file("config.toml"), production).unwrap();
    for command in ["serve", "plan", "migrate"] {
        let ended = shop.run(&[command]);
        assert_eq!(ended.code, 78, "{command}: {}", ended.err);
        assert!(ended.err.contains("\"sandbox\"") && ended.err.contains("\"production\""), "{}", ended.err);
    }
}

#[test]
fn f6_a_database_of_a_newer_program_exits_78_and_names_the_version() {
    let shop = Shop::new(SHIPPED);
    shop.good(&["migrate"]);
    let connection = rusqlite::Connection::open(shop.file("data/postsale.db")).unwrap();
    let sql = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (4711, 'x', '', '1')";
    connection.execute(sql, []).unwrap();
    drop(connection);
    for line in [["serve"].as_slice(), &["plan"], &["migrate"], &["migrate", "--dry-run"]] {
        let ended = shop.run(line);
        assert_eq!(ended.code, 78, "{line:?}: {}", ended.err);
        assert!(ended.err.contains("4711"), "{}", ended.err);
    }
}

#[test]
fn migrate_says_what_it_would_do_and_then_does_it() {
    let shop = Shop::new(SHIPPED);
    assert!(shop.good(&["migrate", "--dry-run"]).contains("would run V01__meta"));
    assert!(!shop.file("data").exists(), "a dry run leaves nothing");
    assert!(shop.good(&["migrate"]).contains("is new, with schema version"));
    assert!(shop.good(&["migrate", "--dry-run"]).contains("nothing to do"));
    assert!(shop.good(&["migrate"]).contains("already"));
}

#[test]
fn a15_stop_is_a_row_and_a_file_and_resume_takes_both() {
    let shop = Shop::new(SHIPPED);
    assert_eq!(shop.run(&["stop"]).code, 78, "there is nothing to stop");
    shop.good(&["migrate"]);
    let row = || {
        let connection = rusqlite::Connection::open(shop.file("data/postsale.db")).unwrap();
        connection.query_row("SELECT count(*) FROM meta WHERE name = 'stop'", [], |row| row.get::<_, u32>(0)).unwrap()
    };
    assert!(shop.good(&["resume"]).contains("was not set"));
    shop.good(&["stop"]);
    assert_eq!((row(), shop.file("data/STOP").exists()), (1, true));
    assert!(shop.good(&["resume"]).contains("taken back"));
    assert_eq!((row(), shop.file("data/STOP").exists()), (0, false));
    // A database that cannot be opened is no reason not to stop.
    std::fs::write(shop.file("data/postsale.db"), "not a database, and long enough to be looked at").unwrap();
    let ended = shop.run(&["stop"]);
    assert_eq!((ended.code, shop.file("data/STOP").exists()), (1, true), "{}", ended.err);
    assert!(ended.out.contains("STOP is set by") && !ended.err.is_empty(), "{}", ended.out);
}

/// A container without a volume would forget what it bought. `/dev/shm` is such a place on every Linux.
#[test]
fn f37_production_does_not_keep_its_data_where_it_vanishes() {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    if !mounts.lines().any(|line| line.split(' ').skip(1).take(2).eq(["/dev/shm", "tmpfs"])) {
        println!("skipped: /dev/shm is no file system in memory here");
        return;
    }
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let production = "mode = \"production\"\n[paypal]\nbase_url = \"none\"\n[aliexpress]\nbase_url = \"none\"\n";
    let shop = Shop::new(production).with("INTERNAL_RUN_SECRET", &"s".repeat(40));
    std::os::unix::fs::symlink(dir.path(), shop.file("data")).unwrap();
    let ended = shop.run(&["serve", "-o", "server.listen=127.0.0.1:0"]);
    assert_eq!(ended.code, 78, "{}", ended.err);
    assert!(
        ended.err.contains("lies on tmpfs") && ended.err.contains("server.allow_volatile_data_dir"),
        "{}",
        ended.err
    );
    assert!(!dir.path().join("postsale.db").exists(), "nothing was opened");
    let shop = shop.with("POSTSALE_SERVER__ALLOW_VOLATILE_DATA_DIR", "true");
    let mut serving = shop.serve();
    assert!(dir.path().join("postsale.db").exists(), "{}", serving.welcome);
    serving.signal("-TERM");
    assert_eq!(serving.ended(), Some(0), "{}", shop.log());
}

#[test]
fn test_controls_are_refused_wherever_money_could_be() {
    let check = |config: &str, controls: &str, expected: &str| {
        let shop = Shop::new(config);
        std::fs::write(shop.file("controls.json"), controls).unwrap();
        let ended = shop.run(&["serve", "--test-controls", "controls.json"]);
        assert_eq!(ended.code, 78, "{}", ended.err);
        assert!(ended.err.contains(expected) && !shop.file("data").exists(), "{}", ended.err);
    };
    let production = "mode = \"production\"\n[paypal]\nbase_url = \"none\"\n[aliexpress]\nbase_url = \"none\"\n";
    check(production, "{}", "only in sandbox mode");
    check("[paypal]\nbase_url = \"sandbox\"\n", "{}", "only with both far sides on loopback");
    check("", r#"{"failpoints": [{"name": "claim.commited"}]}"#, "there is no failpoint");
    check("", "{", "--test-controls controls.json: ");
    let shop = Shop::new("");
    std::fs::write(shop.file("controls.json"), r#"{"clock_offset_s": 2678400}"#).unwrap();
    shop.good(&["migrate", "--test-controls", "controls.json"]);
    let connection = rusqlite::Connection::open(shop.file("data/postsale.db")).unwrap();
    let created: String =
        connection.query_row("SELECT value FROM meta WHERE name = 'created_at'", [], |row| row.get(0)).unwrap();
    let days_ahead = (created.parse::<i64>().unwrap() - Timestamp::now().as_millisecond()) / 86_400_000;
    assert!((29..=31).contains(&days_ahead), "{days_ahead}");
}

#[test]
fn a_sandbox_serves_another_program() {
    let far = Shop::new("");
    let mut command = far.command(&["sandbox", "--listen", "127.0.0.1:0", "--book", "book.jsonl"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut shop = Shop::new(SHIPPED);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut sandbox = Serving { child, address: String::new(), welcome: String::new() };
    for line in lines.by_ref().map_while(Result::ok) {
        if let Some((name, value)) = line.strip_prefix("export ").and_then(|line| line.split_once('=')) {
            shop.variables.push((name.to_owned(), value.trim_matches('\'').to_owned()));
        }
        if let Some((_, url)) = line.split_once("curl http://") {
            sandbox.address = url.split('/').next().unwrap().to_owned();
            break;
        }
    }
    assert!(sandbox.ask("/__control/book").contains("\"captures\""));
    let mut serving = shop.serve();
    let paypal = format!("PayPal      http://{}/paypal\n", sandbox.address);
    assert!(serving.welcome.contains(&paypal), "{}", serving.welcome);
    assert!(!shop.file("data/sandbox-address").exists(), "nothing is built in");
    for program in [&mut serving, &mut sandbox] {
        program.signal("-TERM");
        assert_eq!(program.ended(), Some(0));
    }
    assert!(far.file("book.jsonl").exists());
}

/// An order of a channel whose money lies in our PayPal account.
fn report(paid_at: Timestamp) -> Report {
    let usd = |text: &str| Money::parse(text, Currency::new("USD").unwrap()).unwrap();
    let some = |text: &str| Some(text.to_owned());
    let address = Address {
        line1: some("12 Oak Street"),
        line2: None,
        city: some("Fresno"),
        province: some("California"),
        postal_code: some("93650"),
        country: some("US"),
    };
    Report {
        channel: "etsy".to_owned(),
        channel_order_id: "E-1001".to_owned(),
        items: vec![("mug".to_owned(), 1)],
        total: usd("24.90"),
        tax: None,
        tax_remitted_by: None,
        fee: Some(usd("1.36")),
        outside_capture: some("paypal:5AB12345CD678901E"),
        buyer: Buyer {
            name: some("Ana Buyer"),
            email: some("ana@mail.tld"),
            phone: some("+15593600000"),
            id_number: None,
            address,
        },
        paid_at,
        says_settled: true,
        may_vouch: true,
        content_hash: "1".to_owned(),
    }
}

/// Waits until the order stands there.
fn until(house: &House, order: &OrderId, stage: &str) {
    let started = Instant::now();
    loop {
        let view = house.engine().store.read(|c| store::views::order(c, order)).unwrap().unwrap();
        if view.stage == stage {
            return;
        }
        assert!(started.elapsed() < GIVE_UP, "{} is {}: {}", order, view.stage, view.waits_for);
        house.engine().bell.wait_for_anything(Duration::from_millis(50));
    }
}

/// A shop with one order, and STOP set before anything was done for it.
fn stopped_with_an_order() -> (Shop, OrderId) {
    let shop = Shop::new(SHIPPED).with("POSTSALE_ENGINE__TICK", "100ms");
    shop.good(&["migrate"]);
    shop.good(&MUG);
    shop.good(&["stop"]);
    let house = house(&shop);
    let order = house.engine().take_order(&report(Timestamp::now())).unwrap().order;
    until(&house, &order, "paid");
    house.close();
    (shop, order)
}

fn house(shop: &Shop) -> House {
    let dir = shop.file("data");
    let variables = [
        ("POSTSALE_SERVER__LISTEN", "127.0.0.1:0"),
        ("POSTSALE_DATA_DIR", dir.to_str().unwrap()),
        ("POSTSALE_ENGINE__TICK", "100ms"),
    ];
    House::open(load_text(SHIPPED, &variables).unwrap(), Arc::new(SystemClock)).unwrap()
}

/// A shop that went back in time says so above every list, and is let go by command.
#[test]
fn a5_what_is_in_doubt_is_shown_and_released_by_command() {
    let (shop, order) = stopped_with_an_order();
    shop.good(&["resume"]);
    let journal = shop.file("data/intents.log");
    std::fs::rename(&journal, shop.file("data/away.log")).unwrap();
    let house = house(&shop);
    until(&house, &order, "held");
    for list in ["plan", "queue"] {
        let shown = shop.good(&[list]);
        assert!(shown.contains("RESTORED: nothing is sent") && shown.contains("amnesia release"), "{list}: {shown}");
    }
    assert_eq!(shop.run(&["amnesia", "release", "--was-off"]).code, 2, "it was not off");
    assert_eq!(shop.run(&["amnesia", "release"]).code, 64);
    assert!(shop.good(&["amnesia", "release", "--shop"]).contains("heard"));
    assert!(shop.good(&["plan"]).contains("1 trades wait to be released"));
    assert!(shop.good(&["amnesia", "release", "E-1001"]).contains("heard"));
    assert_eq!(shop.run(&["amnesia", "release", "E-1001"]).code, 2, "nothing is in doubt any more");
    let payees = house.engine().settings.clone();
    for (recipient, email) in [("platform", payees.platform.unwrap()), ("seller", payees.seller.unwrap())] {
        assert!(shop.good(&["payees", "confirm", recipient, &email]).contains("heard"));
    }
    assert_eq!(shop.run(&["payees", "approve", "seller", "eve@shop.example"]).code, 2);
    until(&house, &order, "paid_out");
    house.close();
}

#[test]
fn a_house_works_an_order_through_and_the_command_line_shows_it() {
    let (shop, order) = stopped_with_an_order();
    let before = shop.good(&["orders", "timeline", &order.0]);
    let planned = shop.good(&["plan"]);
    assert!(planned.contains(&order.0) && planned.starts_with("STOP is set"), "{planned}");
    assert!(shop.good(&["queue"]).starts_with("STOP is set"));
    let document: serde_json::Value = serde_json::from_str(&shop.good(&["plan", "--json"])).unwrap();
    assert_eq!((&document[0]["next"], &document[0]["why"]), (&"wait".into(), &"STOP is set".into()));
    assert_eq!(shop.good(&["orders", "timeline", &order.0]), before, "a plan changes nothing");

    let house = house(&shop);
    shop.good(&["resume"]);
    until(&house, &order, "paid_out");
    let listed = shop.good(&["orders", "list", "--stage", "paid_out", "-q", "E-1001"]);
    assert!(listed.contains(&order.0) && !listed.contains("Ana") && !listed.contains("Oak"), "{listed}");
    let page = shop.good(&["orders", "show", "E-1001"]);
    for expected in ["Ana Buyer", "Supplier orders", "Payouts", "SUCCESS", "paypal:available", "Timeline", "24.90 USD"]
    {
        assert!(page.contains(expected), "{expected} is missing in\n{page}");
    }
    let page: serde_json::Value = serde_json::from_str(&shop.good(&["orders", "show", &order.0, "--json"])).unwrap();
    assert_eq!(page["sale"]["payoutExecuted"], true);
    assert_eq!(page["payouts"].as_array().unwrap().len(), 2);
    assert!(shop.good(&["orders", "timeline", &order.0]).contains("claim"));
    assert_eq!(shop.run(&["orders", "show", "E-1002"]).code, 2);
    assert_eq!(shop.run(&["orders", "list", "--stage", "lost"]).code, 64);
    house.close();
    assert!(shop.good(&["orders", "list"]).contains(&order.0), "nobody needs the server to read");
}

/// A server whose call is at a far side, which will not answer for so long.
fn with_a_call_in_hand(call: &str, hold_ms: u32) -> (Shop, Serving) {
    let (shop, _) = stopped_with_an_order();
    let serving = shop.serve();
    let far_side = std::fs::read_to_string(shop.file("data/sandbox-address")).unwrap();
    let fault =
        format!(r#"{{"call": "{call}", "reply": "timeout", "when": "after_commit", "times": 1, "holdMs": {hold_ms}}}"#);
    let set = http(far_side.trim(), "POST", "/__control/faults", &fault);
    assert!(set.starts_with("HTTP/1.1 200 "), "{set}");
    shop.good(&["resume"]);
    let started = Instant::now();
    while !http(far_side.trim(), "GET", "/__control/calls", "").contains(call) {
        assert!(started.elapsed() < GIVE_UP, "{}", shop.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    (shop, serving)
}

#[test]
fn f3_a_call_in_hand_ends_before_the_program_does() {
    let (shop, mut serving) = with_a_call_in_hand("aliexpress.create", 2_000);
    serving.signal("-TERM");
    assert_eq!(serving.ended(), Some(0), "{}", shop.log());
    let journal = std::fs::read_to_string(shop.file("data/intents.log")).unwrap();
    let last = journal.lines().last().unwrap();
    assert!(last.contains("\"what\":\"outcome\"") && last.contains("unknown"), "{last}");
}

/// Only what moves money is waited for: a look-up that hangs is left behind, and asked again at the next start.
#[test]
fn f3_a_look_that_hangs_does_not_keep_the_program() {
    let (shop, mut serving) = with_a_call_in_hand("paypal.batch", 58_000);
    serving.signal("-TERM");
    assert_eq!(serving.ended(), Some(0), "{}", shop.log());
    assert!(shop.log().contains("something was still in hand"), "{}", shop.log());
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let (shop, mut serving) = with_a_call_in_hand("aliexpress.create", 50_000);
    serving.signal("-INT");
    // Two signals of one kind that are both on their way are one.
    std::thread::sleep(Duration::from_millis(300));
    serving.signal("-INT");
    assert_eq!(serving.ended(), Some(130), "{}", shop.log());
    assert_eq!(shop.run(&["orders", "list"]).code, 0, "the database is whole");
}

/// What PayPal told of and no order is known for is money somebody has to explain, so it stands in the queue too.
#[test]
fn the_queue_shows_what_paypal_told_of_no_order_of_ours() {
    let shop = crate::shop::Shop::shipped();
    assert_eq!(crate::assurance::run(&shop, &["migrate"]).0, 0);
    let (code, printed) = crate::assurance::run(&shop, &["queue"]);
    assert_eq!((code, printed.as_str()), (0, "No order needs a person.\n"));
    let now = jiff::Timestamp::now().as_millisecond();
    let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let rows = format!(
        "INSERT INTO inbox (provider, event_id, kind, received_at, body_hash, names)
         VALUES ('paypal', 'WH-NOBODYS', 'PAYMENT.CAPTURE.COMPLETED', {now}, '{hash}', 'CAPTURE9 ORDER9')"
    );
    rusqlite::Connection::open(shop.file("data/postsale.db")).unwrap().execute_batch(&rows).unwrap();
    let (code, printed) = crate::assurance::run(&shop, &["queue"]);
    assert_eq!(code, 0, "{printed}");
    for part in
        ["WH-NOBODYS", "unplaced", "PAYMENT.CAPTURE.COMPLETED about CAPTURE9, ORDER9", "look these ids up at PayPal"]
    {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let (_, printed) = crate::assurance::run(&shop, &["queue", "--json"]);
    assert!(printed.contains("\"WH-NOBODYS\""), "{printed}");
}
