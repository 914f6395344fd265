//! Compiles the messages and services of Hatchet, without the `protoc` that hosts may not have.

fn main() {
    #[cfg(feature = "hatchet")]
    hatchet();
}

#[cfg(feature = "hatchet")]
fn hatchet() {
    let files = ["dispatcher.proto", "events.proto", "workflows.proto", "v1/admin.proto"];
    println!("cargo::rerun-if-changed=proto/hatchet");
    let compiled = match protox::compile(files, ["proto/hatchet"]) {
        Ok(descriptors) => descriptors,
        Err(error) => panic!("the protocol of Hatchet does not compile: {error}"),
    };
    if let Err(error) = tonic_prost_build::configure().build_server(false).compile_fds(compiled) {
        panic!("there is no code for the protocol of Hatchet: {error}");
    }
}
