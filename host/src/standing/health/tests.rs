//! Health from its signs.
