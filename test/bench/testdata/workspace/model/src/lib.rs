//! The library of the workspace: it loads proc-macros of three crates.
use macros::FieldNames;
use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, FieldNames)]
pub struct Build {
    pub project: String,
    pub calls: u32,
    pub hits: u32,
}

#[derive(Debug, Error)]
pub enum BuildError {
    #[error("{project}: more hits ({hits}) than calls ({calls})")]
    TooManyHits { project: String, calls: u32, hits: u32 },
}

impl Build {
    pub fn check(&self) -> Result<(), BuildError> {
        if self.hits > self.calls {
            return Err(BuildError::TooManyHits { project: self.project.clone(), calls: self.calls, hits: self.hits });
        }
        Ok(())
    }
}
