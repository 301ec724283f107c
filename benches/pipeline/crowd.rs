//! Two hundred people who look on, each once a second over HTTP, while the engine works: how much of its pace is left.

use crate::world::World;
use postsale::assure::evidence::Keeper;
use postsale::assure::integrity::{self, Question};
use postsale::clock::SystemClock;
use postsale::store;
use postsale::web::api::{self, BuildInfo, Desk};
use postsale::web::{Answered, Door, Options, Server};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

pub const CLIENTS: u64 = 200;
const PATHS: [&str; 6] =
    ["/api/orders", "/api/queue", "/api/sales", "/api/payouts", "/api/version", "/api/debug/post-sale-integrity-check"];
/// How often each of them looks.
const EVERY: Duration = Duration::from_secs(1);

/// They go away when it is dropped.
pub struct Crowd {
    leaving: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
    answered: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    // Stopped after the clients have left.
    _server: Server,
    // And what they asked is kept, as in `serve`.
    _keeper: Keeper,
}

impl Crowd {
    pub fn gather(world: &World) -> Crowd {
        // As `serve` does when it starts: the crowd is shown the stored check.
        let ladder = world.engine.settings.policy.ladder();
        let question = Question { now: world.now(), build: "bench", is_deep: false, ladder };
        integrity::run(&world.engine.store, &question).expect("a check");
        let keeper = Keeper::start(Arc::clone(&world.engine.store), Arc::new(SystemClock)).expect("a thread");
        let notes = keeper.notes();
        let schema = store::open::schema_of(world.dir.path()).expect("a schema").found;
        let desk = Desk::new(Arc::clone(&world.engine), BuildInfo::this(), String::new(), schema, true);
        let table = api::table(Door::new(Some("s"), false, Box::new(|_| None)).expect("random numbers"));
        let app = move |request| table.answer(&desk, request);
        let mut options = Options::new(world.dir.path(), "bench");
        options.on_answer = Some(Arc::new(move |answered: &Answered| {
            let request = format!("{} {}", answered.method, answered.path);
            notes.answered(&answered.id, request, answered.status, answered.took_ms);
        }));
        let server = Server::start("127.0.0.1:0", options, Arc::new(app)).expect("a port");
        let address = server.address();
        let (leaving, answered, refused) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let client = |number: u64| {
            let (leaving, answered, refused) = (Arc::clone(&leaving), Arc::clone(&answered), Arc::clone(&refused));
            std::thread::spawn(move || {
                // Not all in the same moment.
                std::thread::sleep(EVERY * u32::try_from(number).unwrap_or(0) / 200);
                for path in PATHS.iter().cycle().skip(usize::try_from(number).unwrap_or(0) % PATHS.len()) {
                    if leaving.load(Ordering::Relaxed) {
                        return;
                    }
                    let count = if is_answered(address, path) { &answered } else { &refused };
                    count.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(EVERY);
                }
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        Crowd { leaving, clients, answered, refused, _server: server, _keeper: keeper }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.leaving.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            let _ = client.join();
        }
        let (answered, refused) = (self.answered.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed));
        println!("the crowd was answered {answered} times and refused {refused} times");
    }
}

fn is_answered(address: SocketAddr, path: &str) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nx-internal-secret: s\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok::<_, std::io::Error>(answer.starts_with(b"HTTP/1.1 200 "))
    };
    ask().unwrap_or(false)
}
