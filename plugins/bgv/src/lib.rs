//! Leveled RNS-BGV over `Z[X]/(X^N + 1)`, one row per slot, as a backend of hq.
//!
//! From the bottom up: arithmetic (`modular`, `primes`, `transform`, `params`, `poly`, `residues`), randomness
//! and keys (`sample`, `key`), ciphertexts (`encrypt`, `multiply`, `key_switch`, `mod_switch`), plans
//! (`schedule`, `tables`, `execute`), results (`release`, `decrypt`, `measure`), and the plugin's face (`wire`,
//! `describe`, `backend`).

pub mod backend;
pub mod ciphertext;
pub mod decrypt;
pub mod describe;
pub mod encrypt;
pub mod error;
pub mod execute;
pub mod key;
pub mod key_switch;
pub mod measure;
pub mod mod_switch;
pub mod modular;
pub mod multiply;
pub mod params;
pub mod poly;
pub mod primes;
pub mod release;
pub mod residues;
pub mod sample;
pub mod schedule;
pub mod tables;
pub mod transform;
pub mod wire;

hq_plugin_sdk::export_backend!(backend::Bgv);

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
