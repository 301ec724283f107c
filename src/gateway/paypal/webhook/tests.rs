//! Deliveries signed here, and what is left of them after one thing was changed. The key is the built-in far side's,
//! which is published and opens nothing.

use super::super::tests::paypal_at;
use super::*;
use crate::gateway::scripted::Scripted;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use std::sync::Arc;

const KEY: &str = include_str!("../../../sandbox/paypal/webhook-key.txt");
const BUILT_IN: &str = include_str!("../../../sandbox/paypal/webhook-cert.pem");
/// Of the same key, made out to a name below paypal.com, for the years 2025 to 2027.
const NAMED: &str = include_str!("test-cert.pem");
const OURS: &str = "7PW31285X4908143H";
const BODY: &[u8] = br#"{"id":"WH-1-2","event_type":"PAYMENT.CAPTURE.COMPLETED","resource":{"id":"CAP1"}}"#;

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn sign(text: &str) -> String {
    let key = BASE64.decode(KEY.replace('\n', "").as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(&key).unwrap();
    let mut sealed = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut sealed).unwrap();
    BASE64.encode(&sealed)
}

/// The headers of a good delivery to `webhook_id`, sent at that time.
fn headers(webhook_id: &str, time: &str, cert_url: &str) -> Vec<(String, String)> {
    let signature = sign(&format!("tr-1|{time}|{webhook_id}|{}", crc32fast::hash(BODY)));
    let rows = [
        ("paypal-transmission-id", "tr-1"),
        ("paypal-transmission-time", time),
        ("paypal-transmission-sig", &signature),
        ("paypal-cert-url", cert_url),
        ("paypal-auth-algo", "SHA256withRSA"),
    ];
    rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const LIVE_URL: &str = "https://api.paypal.com/v1/notifications/certs/CERT-1-2";
const TIME: &str = "2026-06-01T11:59:00Z";

fn hear(wire: &Arc<Scripted>, base_url: &str, id: &str, headers: &[(String, String)]) -> Result<Told, NotHeard> {
    let paypal = paypal_at(wire, base_url).hearing(Secret::new(id));
    paypal.hear(now(), &Delivery { headers, body: BODY })
}

/// What a live shop makes of it, where PayPal gives this certificate.
fn heard_live(headers: &[(String, String)], certificate: &str) -> Result<Told, NotHeard> {
    hear(&Scripted::new().then(200, certificate), "https://api-m.paypal.com", OURS, headers)
}

#[test]
fn a_signed_delivery_is_heard_and_its_certificate_is_asked_for_once() {
    let wire = Scripted::new().then(200, NAMED);
    let paypal = paypal_at(&wire, "https://api-m.paypal.com").hearing(Secret::new(OURS));
    let headers = headers(OURS, TIME, LIVE_URL);
    for _ in 0..3 {
        let told = paypal.hear(now(), &Delivery { headers: &headers, body: BODY }).unwrap();
        assert_eq!((told.event_id.as_str(), told.names), ("WH-1-2", vec!["CAP1".to_owned()]));
    }
    assert_eq!(wire.asked().len(), 1);
    assert!(wire.last().headers.is_empty(), "no token goes there");
}

#[test]
fn one_thing_changed_and_it_is_not_heard() {
    let check = |what: &str, headers: Vec<(String, String)>, expected: &str| {
        let refused = heard_live(&headers, NAMED).unwrap_err();
        assert!(matches!(&refused, NotHeard::Forged(word) if word.contains(expected)), "{what}: {refused:?}");
    };
    let with = |name: &str, value: &str| {
        let mut rows = headers(OURS, TIME, LIVE_URL);
        rows.iter_mut().filter(|(n, _)| n == name).for_each(|(_, v)| *v = value.to_owned());
        rows
    };
    check("other webhook", headers("1JE4291016473214C", TIME, LIVE_URL), "does not fit");
    check("simulated", headers("WEBHOOK_ID", TIME, LIVE_URL), "does not fit");
    check("no webhook", headers("", TIME, LIVE_URL), "does not fit");
    check("old", headers(OURS, "2026-05-29T11:59:59Z", LIVE_URL), "three days");
    check("id", with("paypal-transmission-id", "tr-2"), "does not fit");
    check("a bar in the id", with("paypal-transmission-id", "tr|1"), "header");
    check("time", with("paypal-transmission-time", "2026-06-01T11:59:01Z"), "does not fit");
    check("no time", with("paypal-transmission-time", "now"), "cannot be read");
    check("algorithm", with("paypal-auth-algo", "SHA1withRSA"), "algorithm");
    check("signature", with("paypal-transmission-sig", &sign("something else")), "does not fit");
    check("no base64", with("paypal-transmission-sig", "%%%"), "base64");
    check("empty", with("paypal-transmission-sig", ""), "header");
    let mut twice = headers(OURS, TIME, LIVE_URL);
    twice.push(("paypal-transmission-id".to_owned(), "tr-1".to_owned()));
    check("a header twice", twice, "header");
    let mut less = headers(OURS, TIME, LIVE_URL);
    less.remove(4);
    check("a header less", less, "header");
}

#[test]
fn a_certificate_is_believed_by_its_name_and_its_dates() {
    let headers = headers(OURS, TIME, LIVE_URL);
    assert_eq!(heard_live(&headers, BUILT_IN), Err(NotHeard::Forged("the certificate is not PayPal's")));
    let wire = Scripted::new().then(200, NAMED);
    let paypal = paypal_at(&wire, "https://api-m.paypal.com").hearing(Secret::new(OURS));
    let late: Timestamp = "2028-06-01T12:00:00Z".parse().unwrap();
    let sent = self::headers(OURS, "2028-06-01T11:59:00Z", LIVE_URL);
    let heard = paypal.hear(late, &Delivery { headers: &sent, body: BODY });
    assert_eq!(heard, Err(NotHeard::Forged("the certificate is not in force")));
}

#[test]
fn f20_a_certificate_is_asked_for_at_paypals_own_host_only() {
    let check = |base_url: &str, url: &str, is_asked: bool| {
        let wire = Scripted::new().then(404, "");
        let heard = hear(&wire, base_url, OURS, &headers(OURS, TIME, url));
        assert!(heard.is_err() && wire.asked().len() == usize::from(is_asked), "{base_url} {url}: {heard:?}");
    };
    let (live, sandbox, own) =
        ("https://api-m.paypal.com", "https://api-m.sandbox.paypal.com", "http://127.0.0.1:9/paypal");
    let at = |host: &str| format!("{host}/v1/notifications/certs/CERT-1");
    check(live, &at(live), true);
    check(live, &at("https://api.paypal.com"), true);
    check(sandbox, &at("https://api.sandbox.paypal.com"), true);
    check(own, &at(own), true);
    for (base_url, foreign) in [(live, sandbox), (sandbox, live), (own, live), (live, own)] {
        check(base_url, &at(foreign), false);
    }
    for url in [
        "http://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
        "https://api.paypal.com@evil.example/v1/notifications/certs/CERT-1",
        "https://evil.example/https://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com:8443/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/../../../x",
        "https://api.paypal.com/v1/notifications/certs/a%2fb",
        "https://api.paypal.com/v1/notifications/certs/",
        "https://api.paypal.com/v1/notifications/certs/a?b",
        "https://api.paypal.com/other/CERT-1",
        "//api.paypal.com/v1/notifications/certs/CERT-1",
        "file:///etc/passwd",
        "",
    ] {
        check(live, url, false);
    }
}

#[test]
fn what_cannot_be_judged_now_is_no_forgery() {
    let headers = headers(OURS, TIME, LIVE_URL);
    let check = |wire: Arc<Scripted>, is_forged: bool| {
        let heard = hear(&wire, "https://api-m.paypal.com", OURS, &headers).unwrap_err();
        assert_eq!(matches!(heard, NotHeard::Forged(_)), is_forged, "{heard:?}");
    };
    check(Scripted::new().then_reply(Err(CallError::Unsent("no route".to_owned()))), false);
    check(Scripted::new().then_reply(Err(CallError::Unknown("reset".to_owned()))), false);
    check(Scripted::new().then(500, ""), false);
    check(Scripted::new().then(302, ""), false);
    check(Scripted::new().then(200, "<html>"), false);
    check(Scripted::new().then(200, &"x".repeat(CERTIFICATE_BYTES_MAX + 1)), false);
    check(Scripted::new().then(404, ""), true);
    // Without an id of ours nothing can be judged, and nothing is asked.
    for id in ["", "WEBHOOK_ID"] {
        let wire = Scripted::new();
        let heard = hear(&wire, "https://api-m.paypal.com", id, &self::headers(id, TIME, LIVE_URL));
        assert!(matches!(heard, Err(NotHeard::NotNow(_))) && wire.asked().is_empty(), "{id}: {heard:?}");
    }
}

#[test]
fn a_forger_cannot_make_us_knock_without_end() {
    let wire = (0..FETCHES_MAX).fold(Scripted::new(), |wire, _| wire.then(404, ""));
    let paypal = paypal_at(&wire, "https://api-m.paypal.com").hearing(Secret::new(OURS));
    for n in 0..50 {
        let headers = headers(OURS, TIME, &format!("{LIVE_URL}-{n}"));
        assert!(paypal.hear(now(), &Delivery { headers: &headers, body: BODY }).is_err());
    }
    assert_eq!(wire.asked().len(), FETCHES_MAX);
}

/// Deliveries that PayPal really signed, where somebody has some: `NAME.body`, `NAME.json` with `headers` and
/// `webhook_id`, and the certificate under the last part of its URL with `.pem`.
#[test]
fn real_deliveries_fit() {
    let Some(dir) = std::env::var_os("POSTSALE_WEBHOOK_VECTORS").map(std::path::PathBuf::from) else {
        println!("skipped: POSTSALE_WEBHOOK_VECTORS names no directory of real deliveries");
        return;
    };
    let mut checked = 0;
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let told: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let rows = told["headers"].as_object().unwrap();
        let headers: Vec<(String, String)> =
            rows.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str().unwrap().to_owned())).collect();
        let body = std::fs::read(path.with_extension("body")).unwrap();
        let sealed = Sealed::of(&Delivery { headers: &headers, body: &body }).unwrap();
        let name = sealed.cert_url.rsplit('/').next().unwrap();
        let pem = std::fs::read(dir.join(format!("{name}.pem"))).unwrap();
        let certificate = CertificateDer::from_pem_slice(&pem).unwrap();
        let (sent_at, id) = (sealed.time.parse().unwrap(), told["webhook_id"].as_str().unwrap());
        let fits = |body: &[u8], id: &str| verified(&sealed, body, id, &certificate, sent_at, true);
        assert_eq!(fits(&body, id), Ok(()), "{path:?}");
        assert!(fits(&body, OURS).is_err() && fits(&body[1..], id).is_err(), "{path:?}");
        assert!(Told::read(&body).is_some_and(|told| !told.names.is_empty()), "{path:?}");
        checked += 1;
    }
    assert!(checked > 0, "no delivery lies in {dir:?}");
    println!("{checked} real deliveries fit");
}
