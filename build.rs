//! Tells cargo when the embedded pages (`src/http/pages.rs`) are to be embedded again. Builds
//! nothing itself: `make web` does, and a build without pages is a valid one.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // cargo takes a path that is not there for one that always changed, and would compile the
    // crate anew at every call. Before the first `make web` the folder above is watched instead.
    let watched = ["web/dist", "web"].into_iter().find(|folder| Path::new(folder).is_dir());
    if let Some(folder) = watched {
        println!("cargo::rerun-if-changed={folder}");
    }
}
