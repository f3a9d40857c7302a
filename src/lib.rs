//! Turns a Nix-style store closure into images that people can ship.

pub mod closure;
