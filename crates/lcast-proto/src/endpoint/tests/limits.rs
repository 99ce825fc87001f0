//! What grows has a limit, and what reaches it is told.
