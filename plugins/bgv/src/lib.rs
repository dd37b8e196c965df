//! Leveled RNS-BGV over `Z[X]/(X^N + 1)`, one row per slot, as a backend of hq.
//!
//! From the bottom up: arithmetic (`modular`, `primes`, `transform`, `params`, `poly`, `residues`), randomness
//! and keys (`sample`, `canonical`, `key`, `evaluation_key`), ciphertexts (`ciphertext`, `encrypt`, `sealed`,
//! `key_switch`, `mod_switch`, `relinearize`), plans (`schedule`, `region`, `tables`, `prepare`, `fused`,
//! `execute`, `checkpoint`), results (`release`, `bridge`, `decrypt`, `measure`), and the plugin's face (`wire`,
//! `describe`, `backend`).

pub mod backend;
pub mod bridge;
pub mod canonical;
pub mod checkpoint;
pub mod ciphertext;
pub mod decrypt;
pub mod describe;
pub mod encrypt;
pub mod error;
pub mod evaluation_key;
pub mod execute;
pub mod fused;
pub mod key;
pub mod key_switch;
pub mod measure;
pub mod mod_switch;
pub mod modular;
pub mod params;
pub mod poly;
pub mod prepare;
pub mod primes;
pub mod region;
pub mod release;
pub mod relinearize;
pub mod residues;
pub mod sample;
pub mod schedule;
pub mod sealed;
mod slab;
pub mod tables;
pub mod transform;
pub mod wire;

hq_plugin_sdk::export_backend!(backend::Bgv);

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
