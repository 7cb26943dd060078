//! Parse, dispatch, exit status.
#![deny(unsafe_code)]

fn main() {
    std::process::exit(govsh::cmd::dispatch(govsh::cli::parse()));
}
