//! What storing costs on a disk: `cargo run --release -p objects --example cost -- FOLDER`.
//!
//! Every write waits for the disk twice, for the file and for its folder; this shows how long.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use objects::Objects;
use objects::filesystem::Filesystem;

const TIMES: u32 = 100;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let parent = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(parent)?;
    let store = Filesystem::new(folder.path().to_owned());
    for size in [1_024, 64 * 1_024, 1_024 * 1_024] {
        let bytes = vec![b'x'; size];
        let started = Instant::now();
        for number in 0..TIMES {
            store.put(&format!("{size}/{number}"), &bytes, "application/octet-stream").await?;
        }
        let put = started.elapsed() / TIMES;
        let started = Instant::now();
        for number in 0..TIMES {
            store.get(&format!("{size}/{number}")).await?;
        }
        println!("{size:>8} bytes: put {put:?}, get {:?}", started.elapsed() / TIMES);
    }
    Ok(())
}
