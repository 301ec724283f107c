//! Routing, scopes, and what the server says of itself.

use super::super::routes;
use super::*;
use crate::web::route;

#[test]
fn l1_an_unknown_path_is_404_before_any_token() {
    let world = world();
    for (method, target, status, code) in [
        ("GET", "/api/nothing", 404, "not_found"),
        ("POST", "/api/orders/x/explode", 404, "not_found"),
        ("GET", "/api/orders/", 404, "not_found"),
        ("DELETE", "/api/orders", 405, "method_not_allowed"),
        ("GET", "/api/stop", 405, "method_not_allowed"),
        ("GET", "/api/paypal/create-order", 405, "method_not_allowed"),
    ] {
        for who in ["", "wrong", "money"] {
            let heard = world.ask_with(method, target, who, "", &Value::Null);
            assert_eq!((heard.status, heard.code()), (status, code), "{method} {target} as {who:?}");
        }
    }
}

/// Every route, with every scope: what is below its own is refused, before the body is looked at.
#[test]
fn every_route_asks_for_its_scope() {
    let world = world();
    let scopes = ["", "read", "operate", "money"];
    for (method, pattern, scope) in route::list(routes()) {
        let target = pattern.replace("{sku}", "MUG-1").replace("{id}", "abcdefghijklmnop");
        let needed = ["open", "read", "operate", "money"].iter().position(|s| *s == scope.word()).unwrap();
        for (rank, who) in scopes.into_iter().enumerate() {
            let status = world.ask_with(method, &target, who, "", &Value::Null).status;
            match rank {
                0 if needed > 0 => assert_eq!(status, 401, "{method} {target}"),
                rank if rank < needed => assert_eq!(status, 403, "{method} {target} as {who}"),
                _ => assert!(![401, 403, 405].contains(&status), "{method} {target} as {who}: {status}"),
            }
        }
    }
    let money = ["/api/stop", "/api/resume", "/api/payees/confirm", "/api/orders/{id}/approve"];
    for path in money {
        let (_, _, scope) = route::list(routes()).find(|(_, pattern, _)| *pattern == path).unwrap();
        assert_eq!(scope, Scope::Money, "{path}");
    }
}

#[test]
fn the_version_names_the_build_and_the_start() {
    let world = world();
    let heard = world.ask_with("GET", "/api/version", "", "", &Value::Null);
    assert_eq!(heard.status, 200);
    assert_eq!(heard.body["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(heard.body["commit"], env!("POSTSALE_COMMIT"));
    assert_eq!(heard.body["mode"], "sandbox");
    assert_eq!(heard.body["startedAt"], NOW);
    assert_eq!(heard.body["configFingerprint"], "fp");
    assert!(heard.body["schemaVersion"].as_i64().unwrap() >= 17);
    assert!(heard.body["builtAt"].as_str().unwrap().parse::<Timestamp>().is_ok());
}

#[test]
fn the_internal_health_lists_the_routes_and_no_secret() {
    let world = world();
    let heard = world.ask_with("GET", "/api/internal/health", "", "", &Value::Null);
    assert_eq!((heard.status, &heard.body["success"], &heard.body["hasSecret"]), (200, &true.into(), &true.into()));
    let listed = heard.body["routes"].as_array().unwrap();
    assert_eq!(listed.len(), routes().len());
    assert!(listed.contains(&json!({ "method": "POST", "path": "/api/stop", "scope": "money" })));
}

#[test]
fn the_integrity_check_tells_strangers_no_ids_and_runs_for_who_may_read() {
    let world = world();
    let target = "/api/debug/post-sale-integrity-check";
    let check = |target: &str, who: &str, status: u16, planted: bool| {
        let heard = world.ask_with("GET", target, who, "", &Value::Null);
        assert_eq!(heard.status, status, "{target} {who:?}: {}", heard.text());
        assert_eq!(heard.body["selfTest"]["planted"].as_u64() > Some(0), planted, "{target} {who:?}");
    };
    let deep = format!("{target}?deep=1");
    check(target, "", 200, false);
    check(target, "wrong", 200, false);
    check(&deep, "", 403, false);
    check(&deep, "wrong", 403, false);
    check(target, "read", 200, true);
    check(target, "", 200, true);
    check(&deep, "read", 200, true);
    check(&format!("{target}?deep=2"), "read", 400, false);
}

#[test]
fn ready_means_able_to_work() {
    let world = world();
    let check = |target: &str, status: u16, field: &str, value: Value| {
        let heard = world.ask_with("GET", target, "", "", &Value::Null);
        assert_eq!((heard.status, &heard.body[field]), (status, &value), "{target}: {}", heard.text());
    };
    check("/healthz", 200, "alive", true.into());
    check("/readyz", 200, "ready", true.into());
    check("/readyz", 200, "stopped", false.into());
    std::fs::write(world.dir.path().join("STOP"), "").unwrap();
    check("/readyz", 200, "stopped", true.into());
    let late = |c: &rusqlite::Transaction<'_>| {
        let due = store::to_ms(world.now() - SignedDuration::from_mins(11));
        c.execute("INSERT INTO jobs (name, due_at) VALUES ('backup', ?1)", [due])?;
        Ok::<_, store::StoreError>(())
    };
    world.desk.engine.store.write(late).unwrap();
    check("/readyz", 503, "reasons", json!(["the job backup is late"]));
    check("/readyz", 503, "ready", false.into());
    check("/healthz", 200, "alive", true.into());
}
