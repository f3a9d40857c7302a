//! What the file is called: `Name[-Version]-ARCH.AppImage`, as the specification recommends.

use crate::image::Machine;

/// A machine as AppImages call it: by the kernel's name, but for 32 bits of Intel and ARM.
pub fn arch(machine: &Machine) -> &str {
    match machine.as_str() {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "386" => "i686",
        "arm" => "armhf",
        "loong64" => "loongarch64",
        other => other,
    }
}

/// The file's name: blanks and slashes of `name` and `version` become `_`.
pub fn file_name(name: &str, version: Option<&str>, machine: &Machine) -> String {
    let version = version.map(|version| format!("-{version}")).unwrap_or_default();
    let text = format!("{name}{version}-{}.AppImage", arch(machine));
    text.chars()
        .map(|letter| if letter == '/' || letter.is_whitespace() { '_' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_appimagetool() {
        let machine = |name: &str| name.parse::<Machine>().unwrap();
        assert_eq!(
            file_name("My App", Some("1.0"), &machine("amd64")),
            "My_App-1.0-x86_64.AppImage"
        );
        assert_eq!(file_name("Ä/b", None, &machine("arm64")), "Ä_b-aarch64.AppImage");
        assert_eq!(arch(&machine("386")), "i686");
        assert_eq!(arch(&machine("riscv64")), "riscv64");
    }
}
