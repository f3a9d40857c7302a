//! Turns a Nix-style store closure into images that people can ship.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod closure;
