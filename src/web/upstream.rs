//! tiny_http behind its private Unix socket. It ends its accept thread at the first error and says nothing, so what is
//! kept here is replaceable: whoever finds it deaf puts a new one on a new socket, and no request is lost twice.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A socket's name has at most 107 bytes; what is too long for one goes to the system's temporary directory.
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// One tiny_http and its socket.
pub(super) struct Shell {
    generation: u64,
    path: PathBuf,
    pub(super) http: tiny_http::Server,
}

/// The tiny_http of the moment.
pub(super) struct Upstream {
    /// How many handlers wait at a shell and have to be woken when it is replaced.
    handlers: usize,
    current: Mutex<Arc<Shell>>,
    started: Instant,
    /// Dropped after the shell, which ends its accept thread by connecting to its own socket.
    dir: PrivateDir,
}

/// A directory that goes with its owner.
struct PrivateDir(PathBuf);

impl Drop for PrivateDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Upstream {
    /// Opens the first shell in a directory of its own (0700) below `data_dir`, or below the system's temporary
    /// directory where sockets cannot be made there.
    pub(super) fn open(data_dir: &Path, handlers: usize) -> io::Result<Arc<Self>> {
        sweep(data_dir);
        let (dir, shell) = match place(data_dir) {
            Ok(found) => found,
            Err(error) => {
                log::debug!("no private socket below the data directory ({error}); using the temporary directory");
                place(&std::env::temp_dir())?
            }
        };
        Ok(Arc::new(Self { dir, handlers, current: Mutex::new(Arc::new(shell)), started: Instant::now() }))
    }

    pub(super) fn current(&self) -> Arc<Shell> {
        self.current.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// A connection to tiny_http. If it is deaf it is replaced first.
    pub(super) fn connect(&self) -> io::Result<UnixStream> {
        let shell = self.current();
        match UnixStream::connect(&shell.path) {
            Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
                self.replace(&shell)?;
                UnixStream::connect(&self.current().path)
            }
            other => other,
        }
    }

    /// Puts a new shell in the place of `deaf`, unless somebody else has done so.
    pub(super) fn replace(&self, deaf: &Arc<Shell>) -> io::Result<()> {
        let mut current = self.current.lock().unwrap_or_else(|e| e.into_inner());
        if current.generation == deaf.generation {
            log::warn!("the private HTTP server went deaf; starting another");
            *current = Arc::new(shell(&self.dir.0, deaf.generation + 1)?);
            drop(current);
            self.wake(deaf);
        }
        Ok(())
    }

    /// Wakes every handler that waits at this shell.
    pub(super) fn wake(&self, shell: &Shell) {
        for _ in 0..self.handlers {
            shell.http.unblock();
        }
    }

    /// Time on the clock by which requests expire; it never jumps.
    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

fn place(parent: &Path) -> io::Result<(PrivateDir, Shell)> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let parent = std::path::absolute(parent)?;
    for _ in 0..1000 {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let dir = parent.join(format!("web-{}-{number}", std::process::id()));
        if dir.as_os_str().len() + 12 > SOCKET_PATH_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is too long for a socket"));
        }
        match std::fs::DirBuilder::new().mode(0o700).create(&dir) {
            // Left behind by a process that had our id, or put there by somebody: not ours.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
            Ok(()) => {
                let dir = PrivateDir(dir);
                return shell(&dir.0, 0).map(|shell| (dir, shell));
            }
        }
    }
    Err(io::Error::other("no free name for the private socket"))
}

fn shell(dir: &Path, generation: u64) -> io::Result<Shell> {
    let path = dir.join(format!("{generation}.sock"));
    let listener = UnixListener::bind(&path)?;
    let http = tiny_http::Server::from_listener(listener, None).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(Shell { generation, path, http })
}

/// Removes what killed processes left below `data_dir`: directories whose sockets nobody answers.
fn sweep(data_dir: &Path) {
    for entry in std::fs::read_dir(data_dir).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with("web-") {
            continue;
        }
        let is_socket = |path: &Path| path.extension().is_some_and(|e| e == "sock");
        let sockets = std::fs::read_dir(entry.path()).into_iter().flatten().flatten().map(|e| e.path());
        let sockets: Vec<PathBuf> = sockets.filter(|path| is_socket(path)).collect();
        let refuses =
            |path: &PathBuf| UnixStream::connect(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
        if !sockets.is_empty() && sockets.iter().all(refuses) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
