//! The real program in a directory of its own: started, spoken to over HTTP, killed, started again.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_postsale");
const SHIPPED: &str = include_str!("../../config.toml");
/// How long anything may take before a test gives up; nothing is measured against it.
pub const GIVE_UP: Duration = Duration::from_secs(60);

pub struct Shop {
    pub dir: tempfile::TempDir,
    /// Overrides typed as `-o KEY=VALUE`.
    overrides: Vec<String>,
    /// A program, with its arguments, that the server runs under.
    pub under: Vec<String>,
}

/// A running server; killed when dropped.
pub struct Serving {
    child: Child,
    pub address: String,
    pub far: String,
    secret: String,
}

/// Status and body of an answer; `None` when the other side died in the middle of it.
pub type Answer = Option<(u16, String)>;

impl Shop {
    /// The configuration that is shipped.
    pub fn shipped() -> Shop {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.toml"), SHIPPED).unwrap();
        Shop { dir, overrides: Vec::new(), under: Vec::new() }
    }

    pub fn with(mut self, key_and_value: &str) -> Shop {
        self.overrides.push(key_and_value.to_owned());
        self
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts a server; with `controls`, under `--test-controls`. `None`: it died before it was open.
    pub fn serve(&self, controls: Option<&Value>) -> Option<Serving> {
        let line: Vec<&str> = self.under.iter().map(String::as_str).chain([PROGRAM]).collect();
        let mut command = Command::new(line[0]);
        command.args(&line[1..]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(self.dir.path());
        command.args(["serve", "-o", "server.listen=127.0.0.1:0"]);
        for key_and_value in &self.overrides {
            command.args(["-o", key_and_value]);
        }
        if let Some(controls) = controls {
            std::fs::write(self.file("controls.json"), controls.to_string()).unwrap();
            command.args(["--test-controls", "controls.json"]);
        }
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.file("log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_open = lines.map_while(Result::ok).any(|line| line.starts_with("Ctrl-C"));
        if !is_open {
            child.wait().unwrap();
            return None;
        }
        let read = |name: &str| std::fs::read_to_string(self.file(name)).unwrap().trim().to_owned();
        let (address, far, secret) = (read("data/address"), read("data/sandbox-address"), read("data/internal-secret"));
        Some(Serving { child, address, far, secret })
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap_or_default()
    }
}

impl Serving {
    /// Asks the shop with every right.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut headers = headers.to_vec();
        headers.push(("x-internal-secret", &self.secret));
        http(&self.address, method, path, &headers, body)
    }

    /// Asks the shop as a stranger.
    pub fn ask_openly(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        http(&self.address, method, path, headers, body)
    }

    /// The hand behind the far sides.
    pub fn control(&self, method: &str, path: &str, body: &Value) -> Answer {
        http(&self.far, method, &format!("/__control/{path}"), &[], body)
    }

    /// The far sides' own books.
    pub fn book(&self) -> Value {
        let (_, body) = self.control("GET", "book", &json!({})).expect("the far sides live");
        serde_json::from_str(&body).unwrap()
    }

    pub fn order(&self, order: &str) -> Value {
        let (status, body) = self.ask("GET", &format!("/api/orders/{order}"), &[], &json!({})).expect("the shop lives");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Waits until the order is in one of the stages; answers the order.
    pub fn wait_for_stage(&self, order: &str, stages: &[&str]) -> Value {
        let started = Instant::now();
        loop {
            let shown = self.order(order);
            if stages.contains(&shown["stage"].as_str().unwrap_or_default()) {
                return shown;
            }
            assert!(started.elapsed() < GIVE_UP, "still {} ({})", shown["stage"], shown["waitsFor"]);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn is_dead(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// How it ended; `None`: by a signal, or it has not.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().and_then(|status| status.code())
    }

    pub fn wait_until_dead(&mut self) -> bool {
        let started = Instant::now();
        while !self.is_dead() {
            if started.elapsed() >= GIVE_UP {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// SIGKILL while others still talk to it; [`Serving::kill`] then takes its leave.
    pub fn kill_now(&self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-9", &pid]).status();
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One request on a connection of its own.
pub fn http(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let text = exchange(address, method, path, headers, body)?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// The whole answer, as it came.
pub fn exchange(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Option<String> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len()));
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(GIVE_UP)).ok()?;
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// The product every test sells.
pub fn mug() -> Value {
    json!({
        "sku": "MUG", "title": "A black mug", "price": "25.00", "currency": "USD", "active": true,
        "supplier": {"productId": "1005001234567890", "skuAttr": "14:29#Black", "skuId": "12000012345678901"},
    })
}

/// A checkout of one mug by Jane.
pub fn checkout() -> Value {
    json!({
        "sku": "MUG", "quantity": 1,
        "buyer": {"name": "Jane Miller", "email": "jane@buyer.test", "phone": "+1 559 360 0000"},
        "shippingAddress": {"line1": "12 Oak Street", "city": "Vineland", "province": "New Jersey",
            "postalCode": "08360", "country": "US"},
    })
}
