//! Random numbers from the kernel (`getrandom(2)`).

/// Two random words; zeros in the unlikely case that the kernel has none to give.
#[must_use]
pub fn words() -> [u64; 2] {
    let mut words = [0u64; 2];
    // SAFETY: the buffer is live, writable and of the size given.
    unsafe { libc::getrandom(words.as_mut_ptr().cast(), size_of_val(&words), 0) };
    words
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_draws_differ() {
        assert_ne!(super::words(), super::words());
    }
}
