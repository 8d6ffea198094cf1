//! Programs that end when whoever started them ends (`PR_SET_PDEATHSIG`).

use crate::check;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Arranges that the kernel sends `SIGTERM` to the program when the thread that starts it ends, however that happens.
/// To be started from a thread that lives as long as its process.
pub fn terminate_with_parent(command: &mut Command) -> &mut Command {
    let parent = std::process::id();
    // SAFETY: the closure runs between fork and exec: it makes two system calls, allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(move || {
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM, 0, 0, 0))?;
            // The parent may have ended before the line above.
            if u32::try_from(libc::getppid()) != Ok(parent) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_gets_the_signal() {
        use std::os::unix::process::ExitStatusExt;
        let starter = || terminate_with_parent(Command::new("/bin/sleep").arg("60")).spawn().unwrap();
        let mut child = std::thread::spawn(starter).join().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
    }
}
