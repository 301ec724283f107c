//! A far side for tests: answers in the order they were written down, and what was asked, kept for the assertions.

use super::CallError;
use super::wire::{Answer, Request, Wire};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

#[derive(Default)]
pub struct Scripted {
    replies: Mutex<VecDeque<Result<Answer, CallError>>>,
    asked: Mutex<Vec<Request>>,
}

impl Scripted {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn then(self: &Arc<Self>, status: u16, body: &str) -> Arc<Self> {
        self.then_reply(Ok(Answer { status, headers: Vec::new(), body: body.as_bytes().to_vec() }))
    }

    pub fn then_reply(self: &Arc<Self>, reply: Result<Answer, CallError>) -> Arc<Self> {
        self.replies.lock().unwrap().push_back(reply);
        self.clone()
    }

    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    pub fn last(&self) -> Request {
        self.asked().pop().expect("something was asked")
    }
}

impl Wire for Scripted {
    fn ask(&self, request: &Request) -> Result<Answer, CallError> {
        self.asked.lock().unwrap().push(request.clone());
        let reply = self.replies.lock().unwrap().pop_front();
        reply.unwrap_or_else(|| panic!("no reply is scripted for {request:?}"))
    }
}

/// The value of a header that was sent.
pub fn sent_header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
