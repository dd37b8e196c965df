//! Made-up patients.

/// One patient.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) age: u8,
    pub(crate) diabetes: bool,
    pub(crate) hba1c: u8,
    pub(crate) sbp: u8,
}

impl Row {
    /// Whether the query counts it.
    pub(crate) fn matches(&self) -> bool {
        self.age >= 65 && self.diabetes && self.hba1c >= 70
    }
}

/// Patients of whom every second is counted; others fail one condition each.
pub(crate) fn some(count: usize, round: u64) -> Vec<Row> {
    let row = |index: usize| {
        let step = index as u64 + 31 * round;
        let spread =
            |from: u8, most: u8| from + u8::try_from(step * 13 % u64::from(most - from + 1)).unwrap_or(0);
        Row {
            age: if index % 6 == 1 { spread(0, 64) } else { spread(65, 127) },
            diabetes: index % 6 != 3,
            hba1c: if index % 6 == 5 { spread(35, 69) } else { spread(70, 255) },
            sbp: spread(70, 255),
        }
    };
    (0..count).map(row).collect()
}
