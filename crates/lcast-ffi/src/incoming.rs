//! What a foreign program hands in, checked: pointers, texts, numbers, options of known size.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::time::Duration;

use crate::failure::Failure;

/// Most bytes of a known length that are taken in: more than any value or credential has.
pub(crate) const LENGTH_MAX: usize = 1 << 30;
/// Most texts of a list.
pub(crate) const LIST_MAX: usize = 65_536;
/// Largest struct of options: one of a much later version.
pub(crate) const OPTIONS_MAX: usize = 4096;

/// A place for a result.
pub(crate) fn place<'a, T>(
    out: Option<&'a mut MaybeUninit<T>>,
    what: &str,
) -> Result<&'a mut MaybeUninit<T>, Failure> {
    out.ok_or_else(|| Failure::null(what))
}

/// A text that ends in a zero byte.
///
/// # Safety
/// The pointer is null, or a zero byte ends what it points to.
pub(crate) unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str, Failure> {
    // SAFETY: the caller's.
    unsafe { optional(text, what) }?.ok_or_else(|| Failure::null(what))
}

/// The same where null means none.
///
/// # Safety
/// As of [`text`].
pub(crate) unsafe fn optional<'a>(
    text: *const c_char,
    what: &str,
) -> Result<Option<&'a str>, Failure> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: it is not null, and the caller warrants the zero byte.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
    utf8(bytes, what).map(Some)
}

/// Bytes of a known length; null is fine for none.
///
/// # Safety
/// The pointer is null, or that many bytes can be read there.
pub(crate) unsafe fn bytes<'a>(
    data: *const u8,
    length: usize,
    what: &str,
) -> Result<&'a [u8], Failure> {
    match (data.is_null(), length) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Failure::null(what)),
        (false, _) if length > LENGTH_MAX => {
            let message = format!("'{what}' has {length} bytes: at most {LENGTH_MAX} are taken");
            Err(Failure::invalid(message))
        }
        // SAFETY: it is not null, and the caller warrants the length.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(data, length) }),
    }
}

/// A text of a known length, in which there may be zero bytes.
///
/// # Safety
/// As of [`bytes`].
pub(crate) unsafe fn text_of<'a>(
    data: *const c_char,
    length: usize,
    what: &str,
) -> Result<&'a str, Failure> {
    // SAFETY: the caller's.
    utf8(unsafe { bytes(data.cast(), length, what) }?, what)
}

fn utf8<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, Failure> {
    str::from_utf8(bytes).map_err(|error| {
        Failure::invalid(format!("'{what}' is no UTF-8 from byte {} on", error.valid_up_to()))
    })
}

/// A list of texts.
///
/// # Safety
/// The pointer is null, or that many pointers can be read there, each as of [`text`].
pub(crate) unsafe fn texts<'a>(
    list: *const *const c_char,
    count: usize,
    what: &str,
) -> Result<Vec<&'a str>, Failure> {
    // SAFETY: the caller's.
    let list = unsafe { structs(list, count, what) }?;
    // SAFETY: the caller warrants the texts.
    list.iter().map(|each| unsafe { text(*each, what) }).collect()
}

/// A list of structs or of pointers.
///
/// # Safety
/// The pointer is null, or that many can be read there. Whatever a program writes into one is a
/// valid `T`.
pub(crate) unsafe fn structs<'a, T: Copy>(
    list: *const T,
    count: usize,
    what: &str,
) -> Result<&'a [T], Failure> {
    match (list.is_null(), count) {
        (_, 0) => Ok(&[]),
        (_, count) if count > LIST_MAX => {
            let message = format!("'{what}' has {count} entries: at most {LIST_MAX} are taken");
            Err(Failure::invalid(message))
        }
        (true, _) => Err(Failure::null(what)),
        (false, _) if !list.is_aligned() => {
            Err(Failure::invalid(format!("'{what}' is not aligned")))
        }
        // SAFETY: it is not null and aligned, and the caller warrants the length.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(list, count) }),
    }
}

/// Options: a struct that begins with its own size. What is shorter than the first version's,
/// which is this one, is no struct but a slip, like the size of a pointer to it: to take it would
/// leave out which nodes are asked. A longer, later one must be zero where this version knows
/// nothing.
///
/// # Safety
/// The pointer is null, or to a struct whose first member says how many bytes can be read there.
/// All zero is a valid `T`, as is whatever a program writes into one.
pub(crate) unsafe fn options<T: Copy>(options: *const T, what: &str) -> Result<T, Failure> {
    if options.is_null() {
        // SAFETY: all zero is valid.
        return Ok(unsafe { MaybeUninit::<T>::zeroed().assume_init() });
    }
    if !options.is_aligned() {
        return Err(Failure::invalid(format!("'{what}' is not aligned")));
    }
    // SAFETY: the first member is a size.
    let size = unsafe { options.cast::<usize>().read() };
    if !(size_of::<T>()..=OPTIONS_MAX).contains(&size) {
        let message = format!("'{what}' says that its size is {size}: set it to its sizeof");
        return Err(Failure::invalid(message));
    }
    // SAFETY: the caller warrants so many bytes.
    let given = unsafe { std::slice::from_raw_parts(options.cast::<u8>(), size) };
    if given[size_of::<T>()..].iter().any(|byte| *byte != 0) {
        let message = format!("'{what}' has an option that only a later version knows");
        return Err(Failure::invalid(message));
    }
    // SAFETY: it is aligned, as long as that, and valid because every content is.
    Ok(unsafe { options.read() })
}

/// How long to wait at most: -1 for as long as it takes.
pub(crate) fn timeout(millis: i64) -> Result<Option<Duration>, Failure> {
    match millis {
        -1 => Ok(None),
        _ => span(millis, "timeout_ms").map(Some),
    }
}

/// Milliseconds.
pub(crate) fn span(millis: i64, what: &str) -> Result<Duration, Failure> {
    let millis = u64::try_from(millis)
        .map_err(|_| Failure::invalid(format!("'{what}' is {millis}: no time is negative")))?;
    Ok(Duration::from_millis(millis))
}
