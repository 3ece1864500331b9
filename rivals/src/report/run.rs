//! What a whole run brought, as it is kept in a directory: one file of figures for
//! each step, and one of all else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::machine::Machine;
use super::step::Step;
use crate::row::Row;

/// The name of the file of all else.
const FILE: &str = "run.json";

/// A run.
#[derive(Serialize, Deserialize)]
pub struct Run {
    /// Where, when and of what.
    pub machine: Machine,
    /// The command that did it all.
    pub command: String,
    /// What became of each step, by its name.
    pub steps: BTreeMap<String, Outcome>,
}

/// What became of a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The command by which anybody can repeat it.
    pub command: String,
    /// How long it took.
    pub seconds: f64,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// What it said it could not measure.
    pub left_out: Vec<String>,
}

/// The figures of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Figures {
    /// In the shape that most have.
    Rows(Vec<Row>),
    /// In a shape of their own: objects with the same keys.
    Other(Vec<Value>),
}

impl Run {
    /// Reads what an earlier run left in a directory.
    ///
    /// # Errors
    ///
    /// If there is none, or it is not of this version.
    pub fn read(directory: &Path) -> Result<Self, String> {
        let path = directory.join(FILE);
        let text = fs::read_to_string(&path).map_err(|e| {
            format!("{}: {e}; this is not what `report --keep` made", path.display())
        })?;
        serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Leaves it there for later.
    ///
    /// # Errors
    ///
    /// If that cannot be written.
    pub fn write(&self, directory: &Path) -> Result<(), String> {
        let path = directory.join(FILE);
        let text = serde_json::to_string_pretty(self).map_err(|e| e.to_string())?;
        fs::write(&path, text + "\n").map_err(|e| format!("writing {}: {e}", path.display()))
    }
}

impl Figures {
    /// Reads what a step has written.
    ///
    /// # Errors
    ///
    /// If there is nothing, or no array of objects.
    pub fn read(step: &Step, directory: &Path) -> Result<Self, String> {
        let path = step.file(directory);
        let text = fs::read_to_string(&path).map_err(|e| format!("its figures: {e}"))?;
        let values: Vec<Value> =
            serde_json::from_str(&text).map_err(|e| format!("its figures: {e}"))?;
        if values.is_empty() {
            return Err("it measured nothing".into());
        }
        if let Ok(rows) = serde_json::from_str(&text) {
            return Ok(Figures::Rows(rows));
        }
        match values.iter().all(Value::is_object) {
            true => Ok(Figures::Other(values)),
            false => Err("its figures are not an array of objects".into()),
        }
    }

    /// Those in the shape that most have.
    pub fn rows(&self) -> &[Row] {
        match self {
            Figures::Rows(rows) => rows,
            Figures::Other(_) => &[],
        }
    }
}
