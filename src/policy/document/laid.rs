//! What a file says about the machine and the other files: `[require]`, `[machine]`, and what only a profile may say.
//!
//! Invariant: as `document`; nothing that would not be heard is accepted.

use super::{AUDITS, Document, limited};
use crate::policy::table::Table;
use crate::policy::{Layer, PolicyError, Source};

impl Document {
    pub(super) fn require(&mut self, top: &Table<'_>) -> Result<(), PolicyError> {
        let Some(table) = top.table("require", "[require]")? else { return Ok(()) };
        table.only(&["landlock_abi", "audit", "recording", "policies"], &[])?;
        self.landlock_abi = table.number("landlock_abi", 1, 1000)?;
        self.require_audit = table.word("audit", AUDITS)?;
        self.require_recording = table.boolean("recording")?;
        self.require_policies = limited(&table, "policies")?;
        for name in &self.require_policies {
            if name.value.is_empty() || name.value.contains('/') || name.value.ends_with(".toml") {
                let hint = Some("a policy's name, such as \"agent\"".to_owned());
                return Err(table.fault(name.at, format!("'{}' is no name of a policy", name.value), hint));
            }
        }
        Ok(())
    }

    pub(super) fn machine(&mut self, top: &Table<'_>) -> Result<(), PolicyError> {
        let Some(table) = top.table("machine", "[machine]")? else { return Ok(()) };
        if !matches!(table.layer(), Layer::Org | Layer::Machine) {
            let hint = Some("it belongs into a file of /etc/govsh/policy.d".to_owned());
            return Err(table.fault(top.place_of("machine").unwrap_or(0), "only the machine can be enrolled", hint));
        }
        table.only(&["enrolled"], &[])?;
        self.enrolled = table.boolean("enrolled")?;
        Ok(())
    }

    /// Refuses what only the profile of a session can say: a layer is laid over all of them.
    pub fn fits_a_layer(&self, source: &Source) -> Result<(), PolicyError> {
        let lists = [("match", &self.matches), ("append_args", &self.append_args)];
        for (key, list) in lists {
            let Some(first) = list.iter().flatten().next() else { continue };
            let hint = Some("move it into a profile, in the directory 'policies'".to_owned());
            let reason = format!("'{key}' in a file that is laid over every profile");
            return Err(PolicyError::at(source, first.at, reason, hint));
        }
        if let Some(mcp) = &self.agent_mcp {
            let hint = Some("move it into a profile, in the directory 'policies'".to_owned());
            return Err(PolicyError::at(
                source,
                mcp.at,
                "'mcp' of [agent] in a file that is laid over every profile",
                hint,
            ));
        }
        if let (Layer::Project, Some(input)) = (source.layer, &self.record_input) {
            let reason = "a project cannot say whether what is typed is kept";
            return Err(PolicyError::at(source, input.at, reason, None));
        }
        Ok(())
    }
}
