//! What a country's customs want of the buyer is asked for before he is charged, and stands in the order under the names
//! that AliExpress has for it. Judged by the bytes that went out.

use crate::by_hand::{code, once};
use crate::judge::End;
use crate::money::{days, minutes};
use crate::world::{World, jane};
use postsale::domain::order::{Address, Buyer};
use postsale::engine::once::Correction;
use serde_json::Value;
use std::sync::{Arc, Mutex};

fn from_brazil(id_number: Option<&str>) -> Buyer {
    let some = |text: &str| Some(text.to_owned());
    Buyer {
        name: some("Maria Silva"),
        phone: some("+55 11 98765 4321"),
        id_number: id_number.map(str::to_owned),
        address: Address {
            line1: some("Rua Augusta 100"),
            line2: None,
            city: some("Campinas"),
            province: some("Sao Paulo"),
            postal_code: some("01310-100"),
            country: some("BR"),
        },
        ..jane()
    }
}

/// A form, percent-encoded.
fn fields(body: &[u8]) -> Vec<(String, String)> {
    let plain = |text: &str| {
        let bytes = text.replace('+', " ").into_bytes();
        let (mut out, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let hex = || u8::from_str_radix(std::str::from_utf8(&bytes[at + 1..at + 3]).unwrap(), 16).unwrap();
            let is_coded = bytes[at] == b'%';
            out.push(if is_coded { hex() } else { bytes[at] });
            at += if is_coded { 3 } else { 1 };
        }
        String::from_utf8(out).unwrap()
    };
    let body = std::str::from_utf8(body).unwrap();
    body.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (plain(name), plain(value))).collect()
}

/// The order and its extension as they go out.
fn listen(world: &World) -> Arc<Mutex<Vec<(Value, Value)>>> {
    let heard: Arc<Mutex<Vec<(Value, Value)>>> = Arc::default();
    let sink = Arc::clone(&heard);
    world.tap.before_sends(move |call, request| {
        if call == "aliexpress.create" {
            let fields = fields(&request.body);
            let read = |name: &str| {
                let field = fields.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}"));
                serde_json::from_str(&field.1).unwrap()
            };
            let order = read("param_place_order_request4_open_api_d_t_o");
            sink.lock().unwrap().push((order, read("ds_extend_request")));
        }
    });
    heard
}

#[test]
pub fn a_brazilian_is_asked_for_his_cpf_and_it_goes_out_with_his_birthday() {
    let world = World::penniless();
    let heard = listen(&world);
    let taken = world.engine.open_checkout_order("MUG", 1, Some(from_brazil(None)), None).unwrap();
    world.engine.run_due().unwrap();
    world.approve(&taken.order);
    world.run_for(minutes(30));
    assert!(world.book("captures").is_empty(), "{}", world.show(&taken.order));
    let said = world.waits_for(&taken.order);
    assert!(said.contains("buyer.idNumber: the CPF") && said.contains("birthday"), "{said}");
    let right = Correction { id_number: Some("123.456.789-09 31.05.1990".to_owned()), ..Correction::default() };
    assert_eq!(code(world.engine.correct_once(&once("k1"), &taken.order, &right, "tester")), "now");
    world.run_for(days(1));
    assert_eq!(world.judge(&taken.order, "brazil"), End::Closed);
    let heard = heard.lock().unwrap();
    let [(order, extend)] = heard.as_slice() else { panic!("{heard:?}") };
    let address = &order["logistics_address"];
    assert_eq!((&address["cpf"], &address["full_name"]), (&"12345678909".into(), &"Maria Silva".into()));
    assert_eq!(extend["trade_extra_param"]["birthday"], "31051990");
}

#[test]
pub fn a_brazilian_may_keep_his_birthday_to_himself() {
    let world = World::penniless();
    let heard = listen(&world);
    let mut report = world.report("1001");
    report.buyer = from_brazil(Some("123.456.789-09"));
    world.take(&report);
    world.run_for(minutes(10));
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].0["logistics_address"]["cpf"], "12345678909");
    assert!(heard[0].1.get("trade_extra_param").is_none(), "{:?}", heard[0].1);
}
