//! What the command line asks of the runtime, as type2-runtime reads it: only the first argument that begins with
//! `--` counts, wherever it is. Everything else is the application's.

use core::ffi::CStr;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Run the application.
    Run,
    /// Run it from a directory that is removed afterwards.
    ExtractAndRun,
    /// Unpack into `squashfs-root`: all, or what fits the pattern.
    Extract(Option<&'a CStr>),
    /// `--appimage-extract` with so many arguments.
    ExtractTooMany(usize),
    /// Mount, say where, and wait.
    Mount,
    /// Explain the options.
    Help,
    /// Say what this is.
    Version,
    /// Say where the image begins.
    Offset,
    /// Print a section's text.
    UpdateInformation,
    /// The same.
    Signature,
    /// Make the directory beside the file that becomes `HOME`.
    PortableHome,
    /// The same for `XDG_CONFIG_HOME`.
    PortableConfig,
    /// An option with our prefix that we do not know.
    Unknown(&'a CStr),
}

/// The option for running from a directory that is removed afterwards: the application does not see it.
pub const EXTRACT_AND_RUN: &CStr = c"--appimage-extract-and-run";

impl<'a> Request<'a> {
    /// Parses all arguments; the first is the program's name.
    pub fn parse(arguments: &[&'a CStr]) -> Self {
        let rest = arguments.get(1..).unwrap_or_default();
        let Some(option) = rest.iter().find(|argument| argument.to_bytes().starts_with(b"--"))
        else {
            return Self::Run;
        };
        let Some(name) = option.to_bytes().strip_prefix(b"--appimage-") else { return Self::Run };
        match name {
            b"help" => Self::Help,
            b"version" => Self::Version,
            b"offset" => Self::Offset,
            b"extract" => match rest {
                [_] => Self::Extract(None),
                [_, pattern] => Self::Extract(Some(pattern)),
                more => Self::ExtractTooMany(more.len()),
            },
            b"extract-and-run" => Self::ExtractAndRun,
            b"mount" => Self::Mount,
            b"updateinfo" | b"updateinformation" => Self::UpdateInformation,
            b"signature" => Self::Signature,
            b"portable-home" => Self::PortableHome,
            b"portable-config" => Self::PortableConfig,
            _ => Self::Unknown(option),
        }
    }
}

/// The text of `--appimage-help`, after which the path of the file is put where `{}` is.
pub const HELP: &str = "\
AppImage options:

  --appimage-extract [PATTERN]    Unpack the image into squashfs-root, or only
                                  what fits the pattern
  --appimage-extract-and-run      Unpack the image into a temporary directory,
                                  run the application, remove the directory
  --appimage-help                 Print this help
  --appimage-mount                Mount the image, print where, and wait for
                                  Ctrl-C
  --appimage-offset               Print the byte at which the image begins
  --appimage-portable-home        Make a directory to be used as $HOME
  --appimage-portable-config      Make a directory to be used as
                                  $XDG_CONFIG_HOME
  --appimage-signature            Print the signature
  --appimage-updateinfo[rmation]  Print the update information
  --appimage-version              Print the version of this runtime

Portable home: if a directory of this name exists, it becomes $HOME (with
.config instead of .home: $XDG_CONFIG_HOME), so that the application keeps its
data beside this file:

  {}.home

Environment:

  APPIMAGE_EXTRACT_AND_RUN  As the option, if set to anything
  NO_CLEANUP                Leave the temporary directory of the option behind
  TARGET_APPIMAGE           Work on this AppImage instead
  CLOSURE2IMG_ENGINE        The ways to try, in order, separated by commas:
                            store, root, root-extract, user, user-extract,
                            fuse, extract
  TMPDIR, XDG_CACHE_HOME    Where temporary and unpacked files go
  FUSERMOUNT_PROG           The fusermount to use
  VERBOSE                   Say on standard error what is tried
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_long_option_decides() {
        let parse = |arguments: &[&'static CStr]| Request::parse(arguments);
        assert_eq!(parse(&[]), Request::Run);
        assert_eq!(parse(&[c"--appimage-help"]), Request::Run, "the program's own name");
        assert_eq!(parse(&[c"x", c"file", c"-v", c"--appimage-offset"]), Request::Offset);
        assert_eq!(parse(&[c"x", c"--help", c"--appimage-offset"]), Request::Run);
        assert_eq!(
            parse(&[c"x", c"--appimage-extract", c"usr/*"]),
            Request::Extract(Some(c"usr/*"))
        );
        assert_eq!(parse(&[c"x", c"--appimage-extract", c"a", c"b"]), Request::ExtractTooMany(3));
        assert_eq!(
            parse(&[c"x", c"--appimage-updateinfo"]),
            parse(&[c"x", c"--appimage-updateinformation"])
        );
        assert_eq!(parse(&[c"x", c"--appimage-what"]), Request::Unknown(c"--appimage-what"));
        assert_eq!(parse(&[c"x", c"--appimage"]), Request::Run);
    }
}
