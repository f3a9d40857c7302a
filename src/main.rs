//! The `closure2img` program.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
