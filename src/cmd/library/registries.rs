//! What package managers are configured with here: files of the user and the machine, and the environment.
//!
//! Invariant: nothing of the project is read, which the agent writes; a file that is no regular one, too large, or not in UTF-8
//! counts for nothing, so that the public registries stay.
//! Leaves to others: what the texts say (`policy::registries`).

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::policy::registries::{Form, Registry, Setting};

/// Bytes of one file.
const LONGEST: u64 = 1 << 20;

/// Files, and what they are written in; `~` and `$config` stand at the beginning.
const FILES: &[(Registry, &str, Form)] = &[
    (Registry::Npm, "~/.npmrc", Form::Lines),
    (Registry::Npm, "~/.yarnrc", Form::Lines),
    (Registry::Npm, "~/.yarnrc.yml", Form::Lines),
    (Registry::Npm, "/etc/npmrc", Form::Lines),
    (Registry::Npm, "/usr/etc/npmrc", Form::Lines),
    (Registry::Npm, "/usr/local/etc/npmrc", Form::Lines),
    (Registry::Pip, "$config/pip/pip.conf", Form::Lines),
    (Registry::Pip, "~/.pip/pip.conf", Form::Lines),
    (Registry::Pip, "/etc/pip.conf", Form::Lines),
    (Registry::Pip, "$config/uv/uv.toml", Form::Toml),
    (Registry::Pip, "/etc/uv/uv.toml", Form::Toml),
    (Registry::Cargo, "~/.cargo/config.toml", Form::Toml),
    (Registry::Cargo, "~/.cargo/config", Form::Toml),
    (Registry::Go, "$config/go/env", Form::Lines),
    (Registry::Maven, "~/.m2/settings.xml", Form::Xml),
    (Registry::Maven, "/etc/maven/settings.xml", Form::Xml),
];
/// Variables, and whether they take the place of the ecosystem's own registry.
const VARIABLES: &[(Registry, &str, Form)] = &[
    (Registry::Npm, "NPM_CONFIG_REGISTRY", Form::Main),
    (Registry::Npm, "npm_config_registry", Form::Main),
    (Registry::Npm, "YARN_NPM_REGISTRY_SERVER", Form::Main),
    (Registry::Pip, "PIP_INDEX_URL", Form::Main),
    (Registry::Pip, "UV_INDEX_URL", Form::Main),
    (Registry::Pip, "UV_DEFAULT_INDEX", Form::Main),
    (Registry::Pip, "PIP_EXTRA_INDEX_URL", Form::More),
    (Registry::Pip, "UV_EXTRA_INDEX_URL", Form::More),
    (Registry::Go, "GOPROXY", Form::Main),
    (Registry::Go, "GOSUMDB", Form::More),
];

/// All that is said of one ecosystem.
pub fn settings(which: Registry, home: &Path, config: &Path) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (_, name, form) in FILES.iter().filter(|(of, ..)| *of == which) {
        let path = match (name.strip_prefix("~/"), name.strip_prefix("$config/")) {
            (Some(rest), _) => home.join(rest),
            (None, Some(rest)) => config.join(rest),
            (None, None) => PathBuf::from(name),
        };
        settings.extend(read(&path).map(|text| Setting { form: *form, text }));
    }
    for (_, name, form) in VARIABLES.iter().filter(|(of, ..)| *of == which) {
        settings.extend(std::env::var(name).ok().map(|text| Setting { form: *form, text }));
    }
    settings
}

/// Opening a FIFO must not wait.
fn read(path: &Path) -> Option<String> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path).ok()?;
    let found = file.metadata().ok()?;
    if !found.is_file() || found.len() > LONGEST {
        return None;
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_user_are_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("config/pip")).unwrap();
        std::fs::write(dir.path().join("config/pip/pip.conf"), "[global]\nindex-url = https://pip.test/simple\n")
            .unwrap();
        let settings = settings(Registry::Pip, dir.path(), &dir.path().join("config"));
        let origins = Registry::Pip.origins(&settings);
        assert!(origins.iter().any(|origin| origin.host.to_string() == "pip.test" && origin.configured), "{origins:?}");
    }
}
