//! Writes the code that follows from `crates/proto/protos`: the messages and their descriptors into
//! `crates/proto`, the client and server of the ordering service into `crates/node`.
//!
//! The result is checked in, so that a build needs neither this nor protoc.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// Options of `cargo xtask generate`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail if what is checked in is not what would be written
    #[arg(long)]
    check: bool,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Files by path relative to the repository's root.
type Files = BTreeMap<PathBuf, Vec<u8>>;

const PROTOS: &str = "crates/proto/protos";
const MESSAGES: &str = "crates/proto/src/generated";
const SERVICES: &str = "crates/node/src/generated";
/// Packages whose messages live in `selvedge_proto`, with the path they have there.
const PACKAGES: [(&str, &str); 7] = [
    ("common", "common"),
    ("gossip", "gossip"),
    ("kvrwset", "kvrwset"),
    ("msp", "msp"),
    ("orderer", "orderer"),
    ("protos", "peer"),
    ("rwset", "rwset"),
];

/// Runs the chore from anywhere in the repository.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask is not in a repository")?;
    let scratch = tempfile::tempdir()?;
    let mut files = Files::new();
    messages(root, scratch.path(), &mut files)?;
    services(root, scratch.path(), &mut files)?;
    let mut stale = Vec::new();
    for (path, content) in &files {
        if fs::read(root.join(path)).is_ok_and(|present| present == *content) {
            continue;
        }
        stale.push(path.display().to_string());
        if !arguments.check {
            let path = root.join(path);
            fs::create_dir_all(path.parent().ok_or("a file without a folder")?)?;
            fs::write(path, content)?;
        }
    }
    match (stale.is_empty(), arguments.check) {
        (true, _) => println!("{} files are up to date", files.len()),
        (false, false) => println!("wrote {}", stale.join(", ")),
        (false, true) => {
            return Err(format!("stale: {}; run `cargo xtask generate`", stale.join(", ")).into());
        }
    }
    Ok(())
}

/// Compiles the `.proto` files; `only` restricts them to one and what it imports.
fn descriptors(root: &Path, only: Option<&str>, comments: bool) -> Result<FileDescriptorSet> {
    let folder = root.join(PROTOS);
    let mut names = Vec::new();
    proto_files(&folder, &mut names)?;
    names.retain(|name| only.is_none_or(|only| name.ends_with(only)));
    names.sort();
    let mut compiler = protox::Compiler::new([&folder])?;
    compiler.include_imports(true).include_source_info(comments).open_files(names)?;
    Ok(compiler.file_descriptor_set())
}

fn proto_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            proto_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(())
}

/// The messages of all packages, and their descriptors.
fn messages(root: &Path, scratch: &Path, files: &mut Files) -> Result<()> {
    let out = scratch.join("messages");
    fs::create_dir_all(&out)?;
    let mut config = prost_build::Config::new();
    config.bytes(["."]).btree_map(["."]).enable_type_names().out_dir(&out);
    config.compile_fds(descriptors(root, None, true)?)?;
    for (package, _) in PACKAGES {
        let name = format!("{package}.rs");
        files.insert(Path::new(MESSAGES).join(&name), formatted(root, &out.join(&name))?);
    }
    let set = descriptors(root, None, false)?;
    files.insert(Path::new(MESSAGES).join("descriptors.bin"), set.encode_to_vec());
    Ok(())
}

/// Client and server of the ordering service, for tonic, with messages from `selvedge_proto`.
fn services(root: &Path, scratch: &Path, files: &mut Files) -> Result<()> {
    let out = scratch.join("services");
    fs::create_dir_all(&out)?;
    let mut builder = tonic_prost_build::configure().build_transport(false).out_dir(&out);
    for (package, module) in PACKAGES {
        builder = builder.extern_path(format!(".{package}"), format!("::selvedge_proto::{module}"));
    }
    builder.compile_fds(descriptors(root, Some("orderer/ab.proto"), false)?)?;
    files.insert(Path::new(SERVICES).join("orderer.rs"), formatted(root, &out.join("orderer.rs"))?);
    Ok(())
}

/// The file as the repository's rustfmt leaves it.
fn formatted(root: &Path, file: &Path) -> Result<Vec<u8>> {
    let status = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root.join("rustfmt.toml"))
        .arg(file)
        .status()?;
    if !status.success() {
        return Err(format!("rustfmt refuses {}", file.display()).into());
    }
    Ok(fs::read(file)?)
}
