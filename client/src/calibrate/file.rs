//! The file of a calibration: JSON in the user's configuration folder. It is checked when it is read.

use std::path::{Path, PathBuf};
use std::{env, fs};

use hq_engine::clock;
use hq_plugin_sdk::capabilities::{Capabilities, KernelCosts};
use serde::{Deserialize, Serialize};

use crate::configuration;
use crate::error::{ClientError, Result, damaged, file_error};

/// Form of the file.
const VERSION: u32 = 1;

/// Longest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// A cost in nanoseconds is at most this.
const MOST: f64 = 1e6;

/// Names a file instead of the usual one.
const VARIABLE: &str = "HQ_CALIBRATION";

/// Costs with what they were measured of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Calibration {
    version: u32,
    /// The backend and its version.
    backend: String,
    backend_version: String,
    /// When, as `2026-01-31`.
    pub(crate) date: String,
    /// On what.
    pub(crate) processor: String,
    /// By ring degree.
    pub(crate) costs: Vec<KernelCosts>,
}

impl Calibration {
    /// Costs measured here and now.
    pub(crate) fn new(backend: &Capabilities, costs: Vec<KernelCosts>) -> Self {
        Self {
            version: VERSION,
            backend: backend.name.clone(),
            backend_version: backend.version.clone(),
            date: clock::day(clock::now_s()),
            processor: processor(),
            costs,
        }
    }

    fn check(&self, backend: &Capabilities) -> std::result::Result<(), String> {
        if self.version != VERSION {
            return Err(format!("has version {}, this program reads {VERSION}", self.version));
        }
        if self.backend != backend.name {
            return Err(format!("is of backend `{}`, not of `{}`", self.backend, backend.name));
        }
        let sound = |costs: &KernelCosts| {
            costs.ring_degree.is_power_of_two() && costs.all().iter().all(|cost| (0.0..=MOST).contains(cost))
        };
        if self.costs.is_empty() || !self.costs.iter().all(sound) {
            return Err("holds costs that are none".to_owned());
        }
        Ok(())
    }
}

/// The file of a backend's calibration: `HQ_CALIBRATION`, or one in the folder of configurations (XDG).
pub(crate) fn path(backend: &str) -> Option<PathBuf> {
    if let Some(path) = env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    configuration::folder().map(|folder| folder.join(format!("calibration-{backend}.json")))
}

/// Reads a calibration; `None` where there is none for this version of the backend.
pub(crate) fn load(backend: &Capabilities) -> Result<Option<Calibration>> {
    let Some(path) = path(&backend.name).filter(|path| path.is_file()) else { return Ok(None) };
    let bytes = fs::metadata(&path).map_err(file_error(&path))?.len();
    if bytes > MAX_BYTES {
        return Err(damaged(&path, format!("is {bytes} bytes long; a calibration has at most {MAX_BYTES}")));
    }
    let text = fs::read_to_string(&path).map_err(file_error(&path))?;
    let wrong = |reason: String| damaged(&path, format!("{reason}. Remove it, or run `hq calibrate` again"));
    let calibration: Calibration = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    calibration.check(backend).map_err(wrong)?;
    Ok((calibration.backend_version == backend.version).then_some(calibration))
}

/// Writes a calibration; folders are made where they are missing.
pub(crate) fn save(calibration: &Calibration, path: &Path) -> Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(file_error(folder))?;
    }
    let text = serde_json::to_string_pretty(calibration)
        .map_err(|error| ClientError::Format { format: "JSON", reason: error.to_string() })?;
    fs::write(path, text + "\n").map_err(file_error(path))
}

/// The processor's name, where the system tells it.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}
