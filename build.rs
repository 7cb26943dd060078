//! How the program is linked: with its relocations packed, where the C library of this machine reads them, and with functions
//! of the same code once, where the linker can do that.
//!
//! Nearly thirty thousand relocations are read at every start, twice for each session; packed they are a thirtieth of the size.
//! No function of ours is told from another by its address.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The first glibc that reads them (DT_RELR).
const FIRST: (u32, u32) = (2, 36);
/// One for all functions of the same code (LLD, mold).
const FOLDED: &str = "-Wl,--icf=all";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // What is built for another machine may meet an older C library there.
    if of("HOST") != of("TARGET") || of("CARGO_CFG_TARGET_ENV") != "gnu" {
        return;
    }
    if glibc().is_some_and(|found| found >= FIRST) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    if of("PROFILE") == "release" && links_with(FOLDED) {
        println!("cargo:rustc-link-arg-bins={FOLDED}");
    }
}

fn of(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// As `getconf GNU_LIBC_VERSION` says: `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Whether the linker that will be used takes the argument: tried with a program of nothing.
fn links_with(argument: &str) -> bool {
    let out = of("OUT_DIR");
    let (source, program) = (Path::new(&out).join("nothing.rs"), Path::new(&out).join("nothing"));
    if fs::write(&source, "fn main() {}\n").is_err() {
        return false;
    }
    let mut rustc = Command::new(of("RUSTC"));
    rustc.args(of("CARGO_ENCODED_RUSTFLAGS").split('\u{1f}').filter(|flag| !flag.is_empty()));
    if let Ok(linker) = std::env::var("RUSTC_LINKER") {
        rustc.arg("-C").arg(format!("linker={linker}"));
    }
    rustc.arg("-C").arg(format!("link-arg={argument}")).arg("-o").arg(&program).arg(&source);
    rustc.output().is_ok_and(|done| done.status.success())
}
