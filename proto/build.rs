//! Compiles the contract with protox, so that no protoc is needed.

use std::{env, error::Error, fmt::Write, fs, path::PathBuf};

use prost::Message;
use prost_types::FileDescriptorSet;

const FILES: [&str; 8] = [
    "gochat/model/v1/room.proto",
    "gochat/model/v1/event.proto",
    "gochat/model/v1/refusal.proto",
    "gochat/account/v1/account.proto",
    "gochat/room/v1/room.proto",
    "gochat/stage/v1/stage.proto",
    "gochat/notifier/v1/notifier.proto",
    "gochat/media/v1/media.proto",
];

/// What shows who somebody is, or lets them in, by package, message and field: no `Debug` shows it.
const SECRETS: [(&str, &str, &str); 7] = [
    ("account", "LoginRequest", "external_id"),
    ("account", "LoginResponse", "token"),
    ("account", "GetMediaTokenResponse", "token"),
    ("model", "Invitation", "token"),
    ("stage", "RespondToInvitationRequest", "invitation_token"),
    ("media", "Provider", "token"),
    ("media", "IceServer", "credential"),
];

#[expect(clippy::disallowed_methods, reason = "cargo hands a build script its folder in a variable")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=gochat");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    fs::write(out.join("secrets.rs"), discreet(&descriptors)?)?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    config.skip_debug(SECRETS.map(|(package, message, _)| format!(".gochat.{package}.v1.{message}")));
    tonic_prost_build::configure().compile_fds_with_config(descriptors, config)?;
    Ok(())
}

/// A `Debug` for each message that has a secret: all of it but that.
fn discreet(descriptors: &FileDescriptorSet) -> Result<String, Box<dyn Error>> {
    let mut code = String::new();
    for (package, name, secret) in SECRETS {
        let full = format!("gochat.{package}.v1");
        let files = descriptors.file.iter().filter(|file| file.package() == full);
        let message = files.flat_map(|file| &file.message_type).find(|message| message.name() == name);
        let fields: Vec<_> =
            message.iter().flat_map(|message| &message.field).map(|field| field.name()).collect();
        if !fields.contains(&secret) {
            return Err(format!("{full}.{name} has no field {secret}").into());
        }
        writeln!(code, "impl std::fmt::Debug for crate::{package}::{name} {{")?;
        writeln!(code, "fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{")?;
        write!(code, "f.debug_struct({name:?})")?;
        for field in fields {
            match field == secret {
                true => write!(code, ".field({field:?}, &Hidden(&self.{field}))")?,
                false => write!(code, ".field({field:?}, &self.{field})")?,
            }
        }
        writeln!(code, ".finish() }} }}")?;
    }
    Ok(code)
}
