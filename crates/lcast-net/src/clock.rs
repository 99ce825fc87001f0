//! The state of the kernel's clock, as NTP clients leave it there (`adjtimex(2)`).

/// What the kernel knows of its clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockState {
    /// Whether a time service holds the clock to be right.
    pub synchronized: bool,
    /// The correction still to be made, in seconds.
    pub offset: f64,
}

/// Asks the kernel, changing nothing. `None` where a sandbox forbids the question.
#[allow(unsafe_code)]
pub fn state() -> Option<ClockState> {
    // SAFETY: timex is a plain record of integers, for which zeros are valid; modes = 0 only reads.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live record of the type that the call expects.
    let outcome = unsafe { libc::adjtimex(&raw mut timex) };
    if outcome < 0 {
        return None;
    }
    let unit = if timex.status & libc::STA_NANO != 0 { 1e-9 } else { 1e-6 };
    let synchronized = outcome != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0;
    #[allow(clippy::cast_precision_loss)]
    let offset = timex.offset as f64 * unit;
    Some(ClockState { synchronized, offset })
}
