//! What PayPal has to tell, as deliveries that a test may post, change or repeat. It must not judge them; the shop does.

use crate::world::World;
use postsale::engine::told::Delivery;
use serde_json::{Value, json};

/// One delivery as it would come in.
#[derive(Clone)]
pub struct Post {
    pub id: String,
    pub kind: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Post {
    pub fn of(event: &Value) -> Post {
        let text = |field: &str| event[field].as_str().unwrap().to_owned();
        let headers = event["headers"].as_object().unwrap().iter();
        let headers = headers.map(|(n, v)| (n.to_ascii_lowercase(), v.as_str().unwrap().to_owned())).collect();
        Post { id: text("id"), kind: text("event_type"), headers, body: text("body").into_bytes() }
    }

    pub fn delivery(&self) -> Delivery<'_> {
        Delivery { headers: &self.headers, body: &self.body }
    }

    pub fn header(&mut self, name: &str) -> &mut String {
        &mut self.headers.iter_mut().find(|(n, _)| n == name).unwrap().1
    }
}

/// Everything PayPal has to tell so far, signed now, the oldest first.
pub fn posts(world: &World) -> Vec<Post> {
    let (status, body) = world.plug.control("GET", "/__control/paypal/events", &json!({}));
    assert_eq!(status, 200);
    let told: Value = serde_json::from_slice(&body).unwrap();
    told["events"].as_array().unwrap().iter().map(Post::of).collect()
}
