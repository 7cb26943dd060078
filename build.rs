//! Nothing yet: completions and pages are made at run time from the same definitions.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}
