//! For which machine a closure is, told by the first program in it: what stands at the head of an archive has to be known
//! before its files are read.

use super::Error;
use super::machine::{Machine, Machines};
use super::source::Source;
use crate::tree::{Content, HEAD_LEN, RegularFile, Visitor, Walker};

/// The first program among the files of `sources`, and its machine, if there is one.
pub(crate) fn first(sources: &[Source]) -> Result<Machines, Error> {
    look(sources, true)
}

/// The machines of all programs among the files of `sources`.
pub(crate) fn all(sources: &[Source]) -> Result<Machines, Error> {
    look(sources, false)
}

fn look(sources: &[Source], first: bool) -> Result<Machines, Error> {
    let mut walker = Walker::default();
    let mut machines = Machines::default();
    for source in sources {
        let Source::Store { paths, .. } = source else { continue };
        for path in paths {
            let store_path = &path.name;
            let mut look = Look { store_path, first, machines: &mut machines };
            match walker.walk(&path.real, &mut look) {
                Ok(()) => {}
                Err(Stop::Found) => return Ok(machines),
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
    }
    Ok(machines)
}

/// Why a walk ends early.
enum Stop {
    Found,
    Failed(Error),
}

impl From<crate::tree::Error> for Stop {
    fn from(error: crate::tree::Error) -> Self {
        Self::Failed(error.into())
    }
}

struct Look<'a> {
    store_path: &'a str,
    /// Whether one is enough.
    first: bool,
    machines: &'a mut Machines,
}

impl Visitor for Look<'_> {
    type Error = Stop;

    fn directory(&mut self, _: &[u8]) -> Result<(), Stop> {
        Ok(())
    }

    fn symlink(&mut self, _: &[u8], _: &[u8]) -> Result<(), Stop> {
        Ok(())
    }

    fn file(&mut self, path: &[u8], file: RegularFile<'_>) -> Result<(), Stop> {
        let mut content: Content<'_> = file.open()?;
        if content.size() == 0 {
            return Ok(());
        }
        content.read(&mut [0; HEAD_LEN])?;
        let Some(machine) = Machine::of(content.head()) else { return Ok(()) };
        let file = format!("/{}/{}", self.store_path, String::from_utf8_lossy(path));
        self.machines.add(machine, file);
        if self.first { Err(Stop::Found) } else { Ok(()) }
    }
}
