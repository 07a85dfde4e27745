//! Compiles the contract with protox, so that no protoc is needed.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const FILES: [&str; 7] = [
    "gochat/model/v1/room.proto",
    "gochat/model/v1/event.proto",
    "gochat/model/v1/refusal.proto",
    "gochat/account/v1/account.proto",
    "gochat/room/v1/room.proto",
    "gochat/stage/v1/stage.proto",
    "gochat/notifier/v1/notifier.proto",
];

#[expect(clippy::disallowed_methods, reason = "cargo hands a build script its folder in a variable")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=gochat");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let mut names = tonic_prost_build::Config::new();
    names.enable_type_names();
    tonic_prost_build::configure().compile_fds_with_config(descriptors, names)?;
    Ok(())
}
