//! For which machine programs are: read off their first bytes, so that no image says `amd64` and
//! holds programs that no such machine can run.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use registry::Platform;

use crate::tree::HEAD_LEN;

/// A machine that programs are made for, named as Go and OCI name it (`GOARCH`; image-spec,
/// config, `architecture`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Machine(String);

/// `e_machine` (ELF gABI, "ELF Header"), class (1: 32 bits, 2: 64) and byte order (1: little, 2:
/// big; 0: any) of the machines that Go and OCI have a name for.
const ELF: [(u16, u8, u8, &str); 14] = [
    (3, 1, 0, "386"),
    (8, 1, 1, "mipsle"),
    (8, 1, 2, "mips"),
    (8, 2, 1, "mips64le"),
    (8, 2, 2, "mips64"),
    (20, 1, 0, "ppc"),
    (21, 2, 1, "ppc64le"),
    (21, 2, 2, "ppc64"),
    (22, 2, 0, "s390x"),
    (40, 1, 0, "arm"),
    (62, 2, 0, "amd64"),
    (183, 2, 0, "arm64"),
    (243, 2, 0, "riscv64"),
    (258, 2, 0, "loong64"),
];

/// BPF programs run in the kernel of any machine.
const ELF_BPF: u16 = 247;

impl Machine {
    /// The machine that this program runs on.
    pub fn host() -> Self {
        let arch = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "386",
            "aarch64" => "arm64",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "loongarch64" => "loong64",
            other => other,
        };
        Self(arch.into())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The machine of a program or library that begins with `head`, if it is one.
    ///
    /// Object files (`ET_REL`: kernel modules, `.o`) do not run by themselves and do not count.
    pub(crate) fn of(head: &[u8; HEAD_LEN]) -> Option<Self> {
        if head.starts_with(&[0xcf, 0xfa, 0xed, 0xfe]) {
            return Some(Self("darwin".into()));
        }
        if !head.starts_with(b"\x7fELF") {
            return None;
        }
        let (class, order) = (head[4], head[5]);
        let half = |at: usize| match order {
            2 => u16::from_be_bytes([head[at], head[at + 1]]),
            _ => u16::from_le_bytes([head[at], head[at + 1]]),
        };
        let (kind, machine) = (half(16), half(18));
        let runs = matches!(kind, 2 | 3); // ET_EXEC, ET_DYN
        if !runs || machine == ELF_BPF {
            return None;
        }
        let known = ELF.iter().find(|&&(number, bits, endian, _)| {
            number == machine && bits == class && (endian == 0 || endian == order)
        });
        // x32 programs run on amd64 kernels.
        let name = match known {
            Some((.., name)) => (*name).to_owned(),
            None if machine == 62 => "amd64".into(),
            None => format!("elf-{machine}"),
        };
        Some(Self(name))
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that names no machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no machine is called `{0}`; known are {known}", known = ELF.map(|(.., name)| name).join(", "))]
pub struct UnknownMachine(String);

impl FromStr for Machine {
    type Err = UnknownMachine;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // uname's and Nix's names are what people have at hand.
        let name = match text {
            "x86_64" | "x86_64-linux" => "amd64",
            "aarch64" | "aarch64-linux" => "arm64",
            "i386" | "i686" | "i686-linux" => "386",
            "armv7l" | "armv7l-linux" | "armv6l-linux" => "arm",
            "riscv64-linux" => "riscv64",
            "powerpc64le-linux" => "ppc64le",
            other => other,
        };
        let known = ELF.iter().any(|(.., known)| *known == name);
        if known { Ok(Self(name.into())) } else { Err(UnknownMachine(text.into())) }
    }
}

/// Which machines the programs of an image are for, each with the first program found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machines(BTreeMap<Machine, String>);

/// Why an image cannot say which machine it is for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum MachineError {
    #[error("the closure has programs for several machines: {0}")]
    Mixed(String),
    #[error("the closure's programs are for {found} (`{file}`), this machine is {host}")]
    Foreign { found: Machine, file: String, host: Machine },
    #[error("the closure's programs are not for {wanted}, but for {found}")]
    NotWanted { wanted: Machine, found: String },
    #[error("`{base}` is for {wanted}, and the closure's programs are for {found}")]
    NotBases { base: String, wanted: String, found: String, first: Machine },
}

impl MachineError {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Mixed(_) => "say which one the image is for, for example `--arch amd64`".into(),
            Self::Foreign { found, .. } => {
                format!("if the image is meant to run there, say so: `--arch {found}`")
            }
            Self::NotWanted { .. } => {
                "build the roots for that machine, or say another with `--arch` or `--platform`"
                    .into()
            }
            Self::NotBases { first, .. } => format!(
                "if the image is meant to run there, say so, `--arch {first}`, and name one with `--from-image` that has it"
            ),
        }
    }
}

impl Machines {
    /// Takes note of a program; of several, the first by name is remembered.
    pub(crate) fn add(&mut self, machine: Machine, file: String) {
        let first = self.0.entry(machine).or_insert_with(|| file.clone());
        if file < *first {
            *first = file;
        }
    }

    /// Machines by their names, each with a program, as [`Self::to_names`] wrote them down. `None`
    /// if one is no name.
    pub(crate) fn from_names(names: BTreeMap<String, String>) -> Option<Self> {
        let plain =
            |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
        let is_name = |name: &str| (1..=20).contains(&name.len()) && name.bytes().all(plain);
        let machines =
            names.into_iter().map(|(name, file)| is_name(&name).then_some((Machine(name), file)));
        Some(Self(machines.collect::<Option<_>>()?))
    }

    /// The first of them by name.
    pub(crate) fn first(&self) -> Option<&Machine> {
        self.0.keys().next()
    }

    /// Their names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(Machine::as_str)
    }

    /// Their names, each with a program.
    pub(crate) fn to_names(&self) -> BTreeMap<String, String> {
        self.0.iter().map(|(machine, file)| (machine.0.clone(), file.clone())).collect()
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (machine, file) in other.0 {
            self.add(machine, file);
        }
    }

    /// The machine that the image is for: `wanted` if said, else that of its programs. Without
    /// programs it is amd64, the same wherever the image is made.
    pub fn decide(
        &self,
        wanted: Option<&Machine>,
        host: &Machine,
    ) -> Result<Machine, MachineError> {
        if let Some(wanted) = wanted {
            return if self.0.is_empty() || self.0.contains_key(wanted) {
                Ok(wanted.clone())
            } else {
                Err(MachineError::NotWanted { wanted: wanted.clone(), found: self.list() })
            };
        }
        let mut machines = self.0.iter();
        match (machines.next(), machines.next()) {
            (None, _) => Ok(Machine("amd64".into())),
            (Some((only, _)), None) if only == host => Ok(host.clone()),
            (Some((found, file)), None) => Err(MachineError::Foreign {
                found: found.clone(),
                file: file.clone(),
                host: host.clone(),
            }),
            (Some(_), Some(_)) => Err(MachineError::Mixed(self.list())),
        }
    }

    /// Checks that they can run where the image `base` does, which is for `platform`.
    pub fn check_upon(&self, base: &str, platform: &Platform) -> Result<(), MachineError> {
        let first = match self.0.keys().next() {
            Some(first) if !self.0.keys().any(|it| it.0 == platform.architecture) => first.clone(),
            _ => return Ok(()),
        };
        let (base, wanted, found) = (base.to_owned(), platform.to_string(), self.list());
        Err(MachineError::NotBases { base, wanted, found, first })
    }

    fn list(&self) -> String {
        let each = self.0.iter().map(|(machine, file)| format!("{machine} (`{file}`)"));
        each.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(class: u8, order: u8, kind: u16, machine: u16) -> [u8; HEAD_LEN] {
        let mut head = [0; HEAD_LEN];
        head[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, order]);
        let bytes = |n: u16| if order == 2 { n.to_be_bytes() } else { n.to_le_bytes() };
        head[16..18].copy_from_slice(&bytes(kind));
        head[18..20].copy_from_slice(&bytes(machine));
        head
    }

    fn found(machines: &[(&str, &str)]) -> Machines {
        let mut all = Machines::default();
        for (machine, file) in machines {
            all.add(machine.parse().unwrap(), (*file).into());
        }
        all
    }

    #[test]
    fn reads_elf_headers() {
        let name = |head| Machine::of(&head).map(|machine| machine.0);
        assert_eq!(name(elf(2, 1, 3, 62)).as_deref(), Some("amd64"));
        assert_eq!(name(elf(2, 1, 2, 183)).as_deref(), Some("arm64"));
        assert_eq!(name(elf(2, 2, 2, 21)).as_deref(), Some("ppc64"));
        assert_eq!(name(elf(2, 1, 3, 21)).as_deref(), Some("ppc64le"));
        assert_eq!(name(elf(2, 1, 3, 9999)).as_deref(), Some("elf-9999"));
        assert_eq!(name(elf(2, 1, 1, 62)), None, "an object file");
        assert_eq!(name(elf(2, 1, 3, ELF_BPF)), None);
        assert_eq!(name([0; HEAD_LEN]), None);
    }

    #[test]
    fn one_machine_must_be_the_hosts_or_said() {
        let (amd64, arm64): (Machine, Machine) =
            ("amd64".parse().unwrap(), "aarch64".parse().unwrap());
        assert_eq!(found(&[]).decide(None, &amd64), Ok(amd64.clone()));
        assert_eq!(found(&[]).decide(None, &arm64), Ok(amd64.clone()));
        assert_eq!(found(&[]).decide(Some(&arm64), &amd64), Ok(arm64.clone()));
        let arm = found(&[("arm64", "b"), ("arm64", "a")]);
        assert!(
            matches!(arm.decide(None, &amd64), Err(MachineError::Foreign { file, .. }) if file == "a")
        );
        assert_eq!(arm.decide(Some(&arm64), &amd64), Ok(arm64));
        assert!(matches!(arm.decide(Some(&amd64), &amd64), Err(MachineError::NotWanted { .. })));
        let mixed = found(&[("arm64", "a"), ("amd64", "b")]);
        let error = mixed.decide(None, &amd64).unwrap_err();
        assert!(error.to_string().ends_with("amd64 (`b`), arm64 (`a`)"), "{error}");
        assert_eq!(mixed.decide(Some(&amd64), &amd64), Ok(amd64));
    }
}
