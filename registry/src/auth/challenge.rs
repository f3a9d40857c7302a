//! What a registry asks for in `WWW-Authenticate`, as RFC 9110 section 11.6.1 writes it.
//!
//! One header may hold several challenges and there may be several headers. Commas separate both the challenges and
//! the parameters of one challenge, so a token is a parameter's name if `=` follows it and a new scheme otherwise.
//! Registries are sloppy, so what cannot be understood is skipped rather than refused: the far side then answers
//! 401 again and says why.

/// One way to authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// In lower case.
    pub(crate) scheme: String,
    /// Names in lower case, in the order they came.
    pub(crate) parameters: Vec<(String, String)>,
}

impl Challenge {
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// All challenges of one header value.
pub(crate) fn parse(header: &str) -> Vec<Challenge> {
    let mut rest = Scanner { text: header };
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        rest.skip(|letter| letter == ',' || letter.is_ascii_whitespace());
        let word = rest.take(is_token);
        if word.is_empty() {
            // Neither a separator nor a token: step over it, or stop at the end.
            if rest.take_one().is_none() {
                return challenges;
            }
            continue;
        }
        let after_word = rest;
        rest.skip(|letter| letter.is_ascii_whitespace());
        if rest.take_if('=') {
            rest.skip(|letter| letter.is_ascii_whitespace());
            let value = rest.value();
            if let Some(challenge) = challenges.last_mut() {
                challenge.parameters.push((word.to_ascii_lowercase(), value));
            }
        } else {
            rest = after_word;
            challenges
                .push(Challenge { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
        }
    }
}

fn is_token(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter)
}

#[derive(Clone, Copy)]
struct Scanner<'a> {
    text: &'a str,
}

impl<'a> Scanner<'a> {
    fn take(&mut self, matches: impl Fn(char) -> bool) -> &'a str {
        let end = self.text.find(|letter| !matches(letter)).unwrap_or(self.text.len());
        let (taken, rest) = self.text.split_at(end);
        self.text = rest;
        taken
    }

    fn skip(&mut self, matches: impl Fn(char) -> bool) {
        self.take(matches);
    }

    fn take_one(&mut self) -> Option<char> {
        let mut letters = self.text.chars();
        let letter = letters.next();
        self.text = letters.as_str();
        letter
    }

    fn take_if(&mut self, expected: char) -> bool {
        match self.text.strip_prefix(expected) {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => false,
        }
    }

    /// A quoted string, or, leniently, everything up to the next comma or space.
    fn value(&mut self) -> String {
        if !self.take_if('"') {
            return self.take(|letter| letter != ',' && !letter.is_ascii_whitespace()).to_owned();
        }
        let mut value = String::new();
        while let Some(letter) = self.take_one() {
            match letter {
                '"' => break,
                '\\' => value.extend(self.take_one()),
                other => value.push(other),
            }
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn challenge(scheme: &str, parameters: &[(&str, &str)]) -> Challenge {
        Challenge {
            scheme: scheme.to_owned(),
            parameters: parameters
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn parses_what_registries_send() {
        for (header, expected) in [
            ("", vec![]),
            (
                "Basic realm=\"Registry Realm\"",
                vec![challenge("basic", &[("realm", "Registry Realm")])],
            ),
            ("BASIC", vec![challenge("basic", &[])]),
            (
                "Bearer realm=\"https://auth.example/token\",service=\"reg\", scope=\"repository:a/b:pull,push\"",
                vec![challenge(
                    "bearer",
                    &[
                        ("realm", "https://auth.example/token"),
                        ("service", "reg"),
                        ("scope", "repository:a/b:pull,push"),
                    ],
                )],
            ),
            (
                "Negotiate, Bearer realm=\"r\" , service=s,Basic realm = \"x\\\"y\"",
                vec![
                    challenge("negotiate", &[]),
                    challenge("bearer", &[("realm", "r"), ("service", "s")]),
                    challenge("basic", &[("realm", "x\"y")]),
                ],
            ),
            // The value of an unquoted realm is a URL at some registries, although `:` and `/` are no token letters.
            (
                "Bearer realm=https://a/b?c=d,service=s",
                vec![challenge("bearer", &[("realm", "https://a/b?c=d"), ("service", "s")])],
            ),
            (
                "Bearer realm=\"never closed",
                vec![challenge("bearer", &[("realm", "never closed")])],
            ),
        ] {
            assert_eq!(parse(header), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(header in any::<String>()) {
            parse(&header);
        }

        #[test]
        fn quoting_round_trips(values in proptest::collection::vec("[ -~]{0,20}", 1..4)) {
            let quote = |value: &String| format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
            let header: Vec<_> = values.iter().map(|value| format!("Scheme p={}", quote(value))).collect();
            let parsed = parse(&header.join(", "));
            prop_assert_eq!(parsed.len(), values.len());
            for (challenge, value) in parsed.iter().zip(&values) {
                prop_assert_eq!(challenge.parameter("p"), Some(value.as_str()));
            }
        }
    }
}
