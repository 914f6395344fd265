//! The fleet, specified from outside. The specifications are the test targets under `tests/`.
