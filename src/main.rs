//! The program: hands over what was typed and ends with the exit code it gets back. Nothing is decided here.

use postsale::cli::{self, Exit};
use std::process::ExitCode;

fn main() -> ExitCode {
    // A panic has told its own story on standard error; left alone it would end with a code that means nothing here.
    let ended = std::panic::catch_unwind(|| cli::run(std::env::args_os()));
    match ended {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(failure)) => {
            failure.tell();
            failure.exit().into()
        }
        Err(_) => Exit::Internal.into(),
    }
}
