//! Where an AppImage says that newer ones of it can be found (AppImageSpec, "Update information").

use std::fmt;
use std::str::FromStr;

/// Bytes of the section that it is written into, without the zero that ends it.
const ROOM: usize = 1023;

/// A line of text that updaters such as AppImageUpdate understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateInformation(String);

/// Why a text is no update information.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum UpdateInformationError {
    #[error("update information has {0} bytes, expected at most {ROOM}")]
    TooLong(usize),
    #[error("update information has the character {0:?}, which no URL and no name of a file has")]
    Character(char),
    #[error("update information by `{0}` is not known, expected {known}", known = known())]
    Transport(String),
    #[error("update information by `{transport}` has {got} fields, expected {expected}: `{form}`")]
    Fields { transport: &'static str, got: usize, expected: usize, form: &'static str },
    #[error("the {field} of the update information is `{got}`, expected {expected}")]
    Field { field: &'static str, got: String, expected: &'static str },
}

/// How updaters find newer files, and what each field is.
struct Transport {
    name: &'static str,
    form: &'static str,
    fields: &'static [Field],
}

#[derive(Clone, Copy)]
enum Field {
    Url,
    GitHubName(&'static str),
    Release,
    ProductId,
    ZsyncPattern,
    Pattern,
}

const TRANSPORTS: [Transport; 3] = [
    Transport {
        name: "zsync",
        form: "zsync|https://example.org/App-x86_64.AppImage.zsync",
        fields: &[Field::Url],
    },
    Transport {
        name: "gh-releases-zsync",
        form: "gh-releases-zsync|USER|REPOSITORY|latest|App-*x86_64.AppImage.zsync",
        fields: &[
            Field::GitHubName("user"),
            Field::GitHubName("repository"),
            Field::Release,
            Field::ZsyncPattern,
        ],
    },
    Transport {
        name: "pling-v1-zsync",
        form: "pling-v1-zsync|PRODUCT|App-*x86_64.AppImage",
        fields: &[Field::ProductId, Field::Pattern],
    },
];

fn known() -> String {
    TRANSPORTS.map(|transport| format!("`{}`", transport.name)).join(", ")
}

impl UpdateInformation {
    /// The text, as it is in the file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl UpdateInformationError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TooLong(_) => None,
            Self::Fields { form, .. } => Some(format!("write it as `{form}`")),
            Self::Transport(_) | Self::Character(_) | Self::Field { .. } => Some(format!(
                "write one of `{}`",
                TRANSPORTS.map(|transport| transport.form).join("`, `")
            )),
        }
    }
}

impl fmt::Display for UpdateInformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UpdateInformation {
    type Err = UpdateInformationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > ROOM {
            return Err(UpdateInformationError::TooLong(text.len()));
        }
        if let Some(letter) = text.chars().find(|letter| letter.is_control() || *letter == ' ') {
            return Err(UpdateInformationError::Character(letter));
        }
        let (name, rest) = text.split_once('|').unwrap_or((text, ""));
        let transport = TRANSPORTS
            .iter()
            .find(|transport| transport.name == name)
            .ok_or_else(|| UpdateInformationError::Transport(name.into()))?;
        let fields: Vec<&str> = rest.split('|').collect();
        if fields.len() != transport.fields.len() {
            return Err(UpdateInformationError::Fields {
                transport: transport.name,
                got: fields.len() + 1,
                expected: transport.fields.len() + 1,
                form: transport.form,
            });
        }
        transport.fields.iter().zip(fields).try_for_each(|(field, text)| field.check(text))?;
        Ok(Self(text.into()))
    }
}

impl Field {
    fn check(self, text: &str) -> Result<(), UpdateInformationError> {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        // What is asked for behind the name, as in `App.zsync?x=1`, is the server's affair.
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let (field, expected, right) = match self {
            Self::Url => {
                ("URL", "http:// or https://, a host, and a path that ends in `.zsync`", {
                    let rest =
                        path.strip_prefix("https://").or_else(|| path.strip_prefix("http://"));
                    let parts = rest.and_then(|rest| rest.split_once('/'));
                    parts.is_some_and(|(host, path)| !host.is_empty() && is_zsync(path))
                })
            }
            Self::GitHubName(field) => {
                (field, "letters, digits, `-`, `_` and `.`", text.chars().all(is_name))
            }
            Self::Release => ("release", "a tag, `latest`, `latest-pre` or `latest-all`", true),
            Self::ProductId => {
                ("product", "its number", text.chars().all(|digit| digit.is_ascii_digit()))
            }
            Self::ZsyncPattern => (
                "name of the file",
                "one that ends in `.zsync`, with `*` for anything",
                is_zsync(path),
            ),
            Self::Pattern => ("name of the file", "one with `*` for anything", !path.is_empty()),
        };
        if right && !text.is_empty() {
            return Ok(());
        }
        Err(UpdateInformationError::Field { field, got: text.into(), expected })
    }
}

/// Whether the last part of a path has a name, and the extension.
fn is_zsync(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.strip_suffix(".zsync").is_some_and(|stem| !stem.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first eight, and the first two of the good ones, are those of go-appimage's `helpers_test.go`.
    const BAD: [&str; 27] = [
        "foo",
        "https://foo.bar",
        "hhttps://foo.bar",
        "zsync|foo",
        "zsync|https://foo.bar",
        "zsync|hhttps://foo.bar",
        "gh-releases-zsync|user|project|latest|App*-x86_64.AppImage",
        "gh-releases-zsync|user|project|latest|App*-x86_64.AppImage?foo=bar",
        "",
        "|",
        "zsync",
        "zsync|",
        "zsync|hhttps://foo.bar/x.zsync",
        "zsync|https:///x.zsync",
        "zsync|https://foo.bar/.zsync",
        "zsync|https://foo.bar/x?y.zsync",
        "zsync|https://foo.bar/x.zsync|",
        "zsync|https://foo.bar/x.zsync\n",
        "zsync|https://foo.bar/a b.zsync",
        "ZSYNC|https://foo.bar/x.zsync",
        "bintray-zsync|probono|AppImages|Subsurface|Subsurface-_latestVersion-x86_64.AppImage.zsync",
        "gh-releases-zsync|user|project|latest",
        "gh-releases-zsync||project|latest|App.zsync",
        "gh-releases-zsync|us/er|project|latest|App.zsync",
        "gh-releases-zsync|user|project||App.zsync",
        "pling-v1-zsync|abc|App*",
        "pling-v1-zsync|12|",
    ];

    const GOOD: [&str; 7] = [
        "gh-releases-zsync|user|project|latest|App*-x86_64.AppImage.zsync",
        "gh-releases-zsync|user|project|latest|App*-x86_64.AppImage.zsync?foo=bar",
        "gh-releases-zsync|us-er|pro.ject|v1.0/x|App.zsync",
        "zsync|https://server.domain/path/Application-latest-x86_64.AppImage.zsync",
        "zsync|http://127.0.0.1:8000/x.zsync?y=z#t",
        "pling-v1-zsync|1623134|*-stable-x86_64.AppImage",
        "pling-v1-zsync|1|App-*.AppImage.zsync",
    ];

    #[test]
    fn what_updaters_understand_is_taken() {
        for bad in BAD {
            assert!(bad.parse::<UpdateInformation>().is_err(), "{bad:?} was taken");
        }
        for good in GOOD {
            assert_eq!(good.parse::<UpdateInformation>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn it_fits_its_section() {
        let text = |length: usize| format!("zsync|https://x/{}.zsync", "a".repeat(length - 22));
        assert_eq!(text(1023).len(), 1023);
        text(1023).parse::<UpdateInformation>().unwrap();
        let error = text(1024).parse::<UpdateInformation>().unwrap_err();
        assert_eq!(error.to_string(), "update information has 1024 bytes, expected at most 1023");
    }

    #[test]
    fn errors_say_what_was_expected() {
        let said = |text: &str| text.parse::<UpdateInformation>().unwrap_err().to_string();
        assert_eq!(
            said("foo"),
            "update information by `foo` is not known, expected `zsync`, `gh-releases-zsync`, `pling-v1-zsync`"
        );
        assert_eq!(
            said("gh-releases-zsync|user|project|latest|App.AppImage"),
            "the name of the file of the update information is `App.AppImage`, expected one that ends in `.zsync`, with `*` for anything"
        );
        assert_eq!(
            said("pling-v1-zsync|12"),
            "update information by `pling-v1-zsync` has 2 fields, expected 3: `pling-v1-zsync|PRODUCT|App-*x86_64.AppImage`"
        );
    }
}
