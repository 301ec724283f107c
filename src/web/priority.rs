//! Who looks on stands behind who works: the threads of the server give way to the engine's where the machine has too
//! little for both. Without it a handler that wakes takes the processor from a thread that holds the database, and all
//! others wait for that one.

/// So much behind; a nice value of Linux, 0 to 19. Enough to give way, and never so much that a page starves.
#[cfg(target_os = "linux")]
const BEHIND: i32 = 5;

/// Puts the thread that calls it, and the threads it begins from now on, behind the engine's. Where there is no priority
/// of one thread nothing is done.
pub(super) fn stand_behind() {
    // On Linux "this process" is this thread.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, BEHIND) {
        log::warn!("a thread of the server keeps the engine's priority: {error}");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_thread_and_what_it_begins_stand_behind_and_nobody_else() {
        let here = || rustix::process::getpriority_process(None).unwrap();
        let before = here();
        std::thread::spawn(move || {
            stand_behind();
            assert_eq!(here(), BEHIND);
            std::thread::spawn(move || assert_eq!(here(), BEHIND)).join().unwrap();
        })
        .join()
        .unwrap();
        assert_eq!(here(), before);
    }
}
