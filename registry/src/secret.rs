//! A text that never reaches a log: passwords, tokens, `Authorization` headers.
//!
//! Neither `Debug` nor `Display` shows it, so that a type which holds one may derive `Debug` without thought. The
//! only way out is [`Secret::expose`], which is easy to search for.

use std::fmt;

use data_encoding::BASE64;

/// A text that prints as `[secret]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whatever in it must not be repeated: of `Basic` and `Bearer` headers the credential, and of the former the
    /// password in it, too.
    pub(crate) fn parts(&self) -> Vec<String> {
        let (scheme, credential) = self.0.split_once(' ').unwrap_or(("", &self.0));
        let mut parts = vec![credential.to_owned()];
        if scheme == "Basic"
            && let Ok(decoded) = BASE64.decode(credential.as_bytes())
            && let Ok(decoded) = String::from_utf8(decoded)
        {
            parts.extend(decoded.split_once(':').map(|(_, password)| password.to_owned()));
        }
        parts.retain(|part| !part.is_empty());
        parts
    }

    /// The text itself, to be sent and never to be printed.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_prints_it() {
        let secret = Secret::new("hunter2");
        assert_eq!(
            format!("{secret} {secret:?} {:?}", Some(&secret)),
            "[secret] [secret] Some([secret])"
        );
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn headers_have_parts() {
        assert_eq!(Secret::new("hunter2").parts(), ["hunter2"]);
        assert_eq!(Secret::new("Bearer abc").parts(), ["abc"]);
        assert_eq!(Secret::new("Basic dTpwYXNz").parts(), ["dTpwYXNz", "pass"]);
        assert!(Secret::new("").parts().is_empty());
    }
}
