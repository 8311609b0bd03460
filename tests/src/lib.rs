//! The end-to-end stories live in `tests/`.
