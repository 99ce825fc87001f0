//! Texts that are given out: UTF-8 that ends in a zero byte.

use std::ffi::c_char;
use std::sync::Arc;

/// A text with a zero byte behind it. A text may hold zero bytes of its own: then only its length
/// tells where it ends. Its copies stand on the same bytes: a pointer to them is good as long as
/// any of them is.
#[derive(Clone, Default)]
pub(crate) struct Text(Option<Arc<[u8]>>);

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        if text.is_empty() {
            return Self(None);
        }
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        Self(Some(bytes.into()))
    }

    /// Good as long as this text is.
    pub(crate) fn as_ptr(&self) -> *const c_char {
        self.0.as_ref().map_or(c"".as_ptr(), |bytes| bytes.as_ptr().cast())
    }

    /// Its bytes, without the zero behind them.
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |bytes| bytes.len() - 1)
    }

    pub(crate) fn as_str(&self) -> &str {
        let bytes = self.0.as_deref().and_then(|bytes| bytes.split_last());
        let text = bytes.map(|(_, text)| str::from_utf8(text));
        text.and_then(Result::ok).unwrap_or_default()
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_str().fmt(f)
    }
}
