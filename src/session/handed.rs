//! What an agent is started with beside its own command line: the policy's MCP servers, as it takes them.
//!
//! Invariant: the file lies where the agent may read it and not write it, and goes with the session.
//! Leaves to others: what stands in it (`cmd`).

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Its name there.
const FILE: &str = "settings.json";

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handed {
    /// In front of its arguments.
    pub arguments: Vec<String>,
    /// Variables of its environment.
    pub variables: Vec<(OsString, OsString)>,
    /// The variable that names a file, and the file's text.
    pub file: Option<(&'static str, String)>,
    /// For people; empty where nothing is handed over.
    pub told: String,
}

impl Handed {
    /// Puts the variables into `env`, and the file into `trust`: the directory that the agent may read, which is made in `dir`
    /// as `name` where there is none.
    pub fn put(
        &self,
        env: &mut Vec<(OsString, OsString)>,
        trust: &mut Option<PathBuf>,
        (dir, name): (&Path, &str),
    ) -> io::Result<()> {
        let mut set = |name: &OsString, value: OsString| {
            env.retain(|(known, _)| known != name);
            env.push((name.clone(), value));
        };
        self.variables.iter().for_each(|(name, value)| set(name, value.clone()));
        let Some((variable, text)) = &self.file else { return Ok(()) };
        let dir = match trust {
            Some(dir) => dir.clone(),
            None => {
                let made = dir.join(name);
                DirBuilder::new().mode(0o700).create(&made)?;
                trust.insert(made).clone()
            }
        };
        let path = dir.join(FILE);
        File::options().write(true).create_new(true).mode(0o600).open(&path)?.write_all(text.as_bytes())?;
        set(&OsString::from(variable), path.into_os_string());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_named_by_its_variable() {
        let dir = tempfile::tempdir().unwrap();
        let handed = Handed {
            variables: vec![("A".into(), "new".into())],
            file: Some(("SETTINGS", "{}".to_owned())),
            ..Handed::default()
        };
        let (mut env, mut trust) = (vec![("A".into(), "old".into())], None);
        handed.put(&mut env, &mut trust, (dir.path(), "trust")).unwrap();
        assert_eq!(env[0], ("A".into(), "new".into()));
        assert_eq!(trust, Some(dir.path().join("trust")));
        assert_eq!(std::fs::read_to_string(&env[1].1).unwrap(), "{}");
    }
}
