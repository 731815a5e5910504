//! What others' libraries do on every loop: see `tests/all`.
