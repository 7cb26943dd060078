//! How the program is linked: with its relocations packed, where the C library of this machine reads them.
//!
//! Nearly thirty thousand of them are read at every start, twice for each session; packed they are a thirtieth of the size.

use std::process::Command;

/// The first glibc that reads them (DT_RELR).
const FIRST: (u32, u32) = (2, 36);

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    // What is built for another machine may meet an older one there.
    if of("HOST") == of("TARGET") && of("CARGO_CFG_TARGET_ENV") == "gnu" && glibc().is_some_and(|found| found >= FIRST)
    {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// As `getconf GNU_LIBC_VERSION` says: `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
