//! The program as a process: a shop in a directory of its own, with an environment that holds nothing but what the test
//! says, and a server that is killed with its test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// The configuration as it is shipped.
pub const SHIPPED: &str = include_str!("../../config.toml");
const PROGRAM: &str = env!("CARGO_BIN_EXE_postsale");
/// How long anything may take before a test gives up; nothing is measured against it.
pub const GIVE_UP: Duration = Duration::from_secs(60);

/// A shop in a directory of its own.
pub struct Shop {
    dir: tempfile::TempDir,
    pub variables: Vec<(String, String)>,
}

/// What a command came to.
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Shop {
    pub fn new(config: &str) -> Shop {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.toml"), config).unwrap();
        Shop { dir, variables: Vec::new() }
    }

    pub fn with(mut self, variable: &str, value: &str) -> Shop {
        self.variables.push((variable.to_owned(), value.to_owned()));
        self
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.env_clear().current_dir(self.dir.path()).args(line).envs(self.variables.iter().cloned());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    pub fn run(&self, line: &[&str]) -> Ended {
        let Output { status, stdout, stderr } = self.command(line).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
    }

    /// Runs a command that has to end well.
    pub fn good(&self, line: &[&str]) -> String {
        let ended = self.run(line);
        assert_eq!(ended.code, 0, "{line:?}: {}{}", ended.out, ended.err);
        ended.out
    }

    /// Starts a server and waits until it says where it is.
    pub fn serve(&self) -> Serving {
        let mut command = self.command(&["serve", "-o", "server.listen=127.0.0.1:0"]);
        let log = std::fs::File::create(self.file("log")).unwrap();
        let child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut serving = Serving { child, address: String::new(), welcome: String::new() };
        let mut lines = BufReader::new(serving.child.stdout.take().unwrap()).lines();
        for line in lines.by_ref().map_while(Result::ok) {
            serving.welcome.push_str(&line);
            serving.welcome.push('\n');
            if line.starts_with("Ctrl-C") {
                break;
            }
        }
        let address = std::fs::read_to_string(self.file("data/address"));
        serving.address = address.unwrap_or_else(|_| panic!("{}", self.log())).trim().to_owned();
        serving
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap()
    }
}

/// A server that is killed with its test.
pub struct Serving {
    pub child: Child,
    pub address: String,
    pub welcome: String,
}

impl Serving {
    pub fn ask(&self, path: &str) -> String {
        http(&self.address, "GET", path, "")
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    pub fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

/// One request and its whole answer.
pub fn http(address: &str, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(GIVE_UP)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Enters the product that the built-in supplier sells.
pub const MUG: [&str; 13] = [
    "products",
    "put",
    "mug",
    "--title",
    "A mug",
    "--price",
    "24.90",
    "--product-id",
    "1005001234567890",
    "--sku-id",
    "12000012345678901",
    "--sku-attr",
    "14:29#Black",
];
