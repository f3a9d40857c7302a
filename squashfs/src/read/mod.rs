//! An image, opened lazily and trusted with nothing.
