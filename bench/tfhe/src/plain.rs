//! The query as one writes it on the integers of tfhe-rs: conditions, a choice, and sums of 16 bits.

use cpu_time::ProcessTime;
use tfhe::prelude::{CastFrom, FheDecrypt, FheEncrypt, FheOrd, FheTrivialEncrypt, IfThenElse};
use tfhe::{
    ClientKey, ConfigBuilder, FheBool, FheUint8, FheUint16, ServerKey, get_pbs_count, reset_pbs_count,
    set_server_key,
};

use crate::Round;
use crate::rows::Row;

/// Keys.
pub(crate) struct Side {
    key: ClientKey,
}

/// A patient's ciphertexts.
struct Encrypted {
    age: FheUint8,
    diabetes: FheBool,
    hba1c: FheUint8,
    sbp: FheUint8,
}

impl Side {
    /// Makes keys of the library's own parameters, whose failure probability is 2^-128.
    pub(crate) fn new() -> Self {
        let key = ClientKey::generate(ConfigBuilder::default().build());
        set_server_key(ServerKey::new(&key));
        Self { key }
    }

    /// Encrypts and computes.
    pub(crate) fn run(&self, rows: &[Row]) -> Result<Round, Box<dyn std::error::Error>> {
        let encrypted: Vec<Encrypted> = rows
            .iter()
            .map(|row| Encrypted {
                age: FheUint8::encrypt(row.age, &self.key),
                diabetes: FheBool::encrypt(row.diabetes, &self.key),
                hba1c: FheUint8::encrypt(row.hba1c, &self.key),
                sbp: FheUint8::encrypt(row.sbp, &self.key),
            })
            .collect();
        reset_pbs_count();
        let start = ProcessTime::now();
        let (mut flags, mut values) = (Vec::new(), Vec::new());
        let zero = FheUint8::encrypt_trivial(0_u8);
        for row in &encrypted {
            let counted = row.age.ge(65_u8) & &row.diabetes & row.hba1c.ge(70_u8);
            values.push(FheUint16::cast_from(counted.if_then_else(&row.sbp, &zero)));
            flags.push(FheUint16::cast_from(counted));
        }
        let count: FheUint16 = flags.iter().sum();
        let sum: FheUint16 = values.iter().sum();
        let cpu_s = start.elapsed().as_secs_f64();
        let bootstraps = get_pbs_count();
        let (count, sum): (u16, u16) = (count.decrypt(&self.key), sum.decrypt(&self.key));
        let (count, sum, bootstraps) = (count.into(), sum.into(), bootstraps as f64);
        Ok(Round { cpu_s, release_s: 0.0, bootstraps, count, sum })
    }
}
