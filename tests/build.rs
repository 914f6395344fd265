//! Compiles the other side of Hatchet's protocol, for the server that specs run on.

fn main() {
    #[cfg(feature = "hatchet")]
    hatchet();
}

#[cfg(feature = "hatchet")]
fn hatchet() {
    let folder = "../crates/backends/proto/hatchet";
    println!("cargo::rerun-if-changed={folder}");
    let files = ["dispatcher.proto", "events.proto", "workflows.proto", "v1/admin.proto"];
    let compiled = match protox::compile(files, [folder]) {
        Ok(descriptors) => descriptors,
        Err(error) => panic!("the protocol of Hatchet does not compile: {error}"),
    };
    if let Err(error) = tonic_prost_build::configure().build_client(false).compile_fds(compiled) {
        panic!("there is no code for the protocol of Hatchet: {error}");
    }
}
