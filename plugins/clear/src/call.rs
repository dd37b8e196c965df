//! The call of compiled code, and the end of its memory. All unsafe code of this backend stands here.
//!
//! Rules: compiled code reads, per row, one number of each column; reads and writes `tile_rows` numbers of
//! each scratch column; reads and writes one number per sum and claim; reads its own tables. It does nothing else,
//! because `compile` emits no other address. `Code::run` checks that all of this is there. What it writes to
//! belongs to the caller alone, so any number of threads may run one `Code` at once.
#![expect(unsafe_code, reason = "compiled code is called through a pointer")]

use std::mem::ManuallyDrop;
use std::sync::{Mutex, PoisonError};

use cranelift_jit::JITModule;
use cranelift_module::FuncId;
use hq_plugin_sdk::backend::{BackendError, Fault};

use crate::compile::NUMBER_BYTES;

type Function = unsafe extern "C" fn(
    columns: *const *const u8,
    scratch: *mut i64,
    sums: *mut i64,
    tables: *const i64,
    row_bytes: usize,
);

/// Sizes, in numbers but for `tile_rows`, that compiled code relies on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Columns of the table.
    pub(crate) columns: usize,
    /// All scratch columns together.
    pub(crate) scratch: usize,
    /// Sums of the plan, and one count per claim.
    pub(crate) sums: usize,
    /// Most rows per call.
    pub(crate) tile_rows: usize,
}

/// Compiled code with its memory.
pub(crate) struct Code {
    /// Behind a lock, as it may not be looked at by two threads; running the code needs no look at it.
    module: ManuallyDrop<Mutex<JITModule>>,
    ids: Vec<FuncId>,
    functions: Vec<Function>,
    tables: Vec<i64>,
    layout: Layout,
}

impl Code {
    /// Takes over a module, whose memory is freed with this.
    pub(crate) fn new(module: JITModule, ids: Vec<FuncId>, tables: Vec<i64>, layout: Layout) -> Self {
        Self { module: ManuallyDrop::new(Mutex::new(module)), ids, functions: Vec::new(), tables, layout }
    }

    /// Looks up the functions, which are finalized.
    ///
    /// # Errors
    /// `Fault::Internal` where one is not there.
    pub(crate) fn ready(mut self) -> Result<Self, BackendError> {
        let module = self.module.get_mut().unwrap_or_else(PoisonError::into_inner);
        for id in &self.ids {
            let address = module.get_finalized_function(*id);
            if address.is_null() {
                return Err(BackendError::new(Fault::Internal, "a compiled function is missing"));
            }
            // SAFETY: the address is that of code compiled with this signature and the C calling
            // convention; it stays until `self` is dropped.
            self.functions.push(unsafe { std::mem::transmute::<*const u8, Function>(address) });
        }
        Ok(self)
    }

    /// What it relies on.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// Adds a tile of rows to `sums`. `columns[i]` holds the rows' values of the i-th input, all of one
    /// length and at most `tile_rows`; `scratch` holds nothing between calls.
    ///
    /// # Errors
    /// `Fault::Internal` where sizes are not as the layout says.
    pub(crate) fn run(
        &self,
        columns: &[&[[u8; NUMBER_BYTES]]],
        scratch: &mut [i64],
        sums: &mut [i64],
    ) -> Result<(), BackendError> {
        let rows = columns.first().map_or(0, |column| column.len());
        let Layout { columns: column_count, scratch: scratch_numbers, sums: sum_count, tile_rows } =
            self.layout;
        if columns.len() != column_count
            || columns.iter().any(|column| column.len() != rows)
            || rows > tile_rows
            || scratch.len() != scratch_numbers
            || sums.len() != sum_count
        {
            return Err(BackendError::new(Fault::Internal, "a tile is not as the compiled code expects"));
        }
        // The loop tests at its end.
        if rows == 0 {
            return Ok(());
        }
        let columns: Vec<*const u8> = columns.iter().map(|column| column.as_ptr().cast()).collect();
        for function in &self.functions {
            // SAFETY: the sizes are as the rules at the head of this module ask (checked above), columns
            // and tables are only read, and the memory of the code lives as long as `self`.
            unsafe {
                function(
                    columns.as_ptr(),
                    scratch.as_mut_ptr(),
                    sums.as_mut_ptr(),
                    self.tables.as_ptr(),
                    rows * NUMBER_BYTES,
                );
            }
        }
        Ok(())
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        // SAFETY: the module is taken once, here; no function of it runs (that would borrow `self`) or is
        // called later, as the pointers never leave `self`.
        let module = unsafe { ManuallyDrop::take(&mut self.module) };
        // SAFETY: as above.
        unsafe { module.into_inner().unwrap_or_else(PoisonError::into_inner).free_memory() }
    }
}
