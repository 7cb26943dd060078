# A crate with a library, a program, a build script and a test, built without the network.
cargo new --quiet --vcs none tiny
cd tiny
printf 'pub fn twice(n: u32) -> u32 { n * 2 }\n#[test] fn doubles() { assert_eq!(twice(2), 4) }\n' > src/lib.rs
printf 'fn main() { println!("{} {}", tiny::twice(21), env!("MADE")) }\n' > src/main.rs
printf 'fn main() { println!("cargo:rustc-env=MADE=by-build-script") }\n' > build.rs
cargo build --quiet --offline
cargo run --quiet --offline
cargo test --quiet --offline --lib 2>&1 | grep 'test result' | sed 's/;.*//'
touch src/lib.rs
cargo check --quiet --offline
cargo clean --quiet
ls
