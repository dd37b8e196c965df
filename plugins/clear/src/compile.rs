//! Compiles the segments of a schedule with Cranelift. Each becomes a function over a tile of rows,
//! `fn(columns, scratch, sums, tables, row_bytes)`; `call` states what the pointers must be.

use std::collections::HashMap;

use cranelift_codegen::Context;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{AbiParam, Endianness, InstBuilder, MemFlagsData, Value, types};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Module, default_libcall_names};
use hq_plugin_sdk::backend::{BackendError, Fault};
use hq_plugin_sdk::plan::Plan;
use hq_plugin_sdk::range::Range;

use crate::call::{Code, Layout};
use crate::steps::{Claim, Schedule, Step, StepId};

/// Bytes of a number, and of a row in a column.
pub(crate) const NUMBER_BYTES: usize = size_of::<i64>();

/// The code of a plan that `verify` accepts, and the claims that it counts the breaches of.
///
/// # Errors
/// `Fault::Plan` where it has operations of an encrypted backend or is too large, `Fault::Internal` where
/// this machine has no compiler.
pub(crate) fn compile(plan: &Plan) -> Result<(Code, Vec<Claim>), BackendError> {
    let schedule = Schedule::new(plan)?;
    let mut compiler = Compiler::new(&schedule)?;
    let outcome = compiler.segments();
    // The module's memory is freed by `Code` alone, so one is made also on failure.
    let layout = Layout {
        columns: plan.inputs.len(),
        scratch: schedule.slot_count * schedule.tile_rows,
        sums: plan.sums.len() + schedule.claims.len(),
        tile_rows: schedule.tile_rows,
    };
    let code = Code::new(compiler.module, compiler.functions, compiler.tables, layout);
    outcome?;
    Ok((code.ready()?, schedule.claims))
}

struct Compiler<'a> {
    schedule: &'a Schedule,
    module: JITModule,
    functions: Vec<FuncId>,
    tables: Vec<i64>,
}

impl<'a> Compiler<'a> {
    fn new(schedule: &'a Schedule) -> Result<Self, BackendError> {
        let mut flags = settings::builder();
        for (name, value) in
            [("use_colocated_libcalls", "false"), ("is_pic", "false"), ("opt_level", "speed")]
        {
            flags.set(name, value).map_err(internal)?;
        }
        let isa = cranelift_native::builder().map_err(internal)?;
        let isa = isa.finish(settings::Flags::new(flags)).map_err(internal)?;
        let module = JITModule::new(JITBuilder::with_isa(isa, default_libcall_names()));
        Ok(Self { schedule, module, functions: Vec::new(), tables: Vec::new() })
    }

    fn segments(&mut self) -> Result<(), BackendError> {
        let mut context = self.module.make_context();
        let mut builder_context = FunctionBuilderContext::new();
        for segment in &self.schedule.segments {
            self.segment(segment.clone(), &mut context, &mut builder_context)?;
            self.module.clear_context(&mut context);
        }
        self.module.finalize_definitions().map_err(internal)
    }

    fn segment(
        &mut self,
        segment: std::ops::Range<usize>,
        context: &mut Context,
        builder_context: &mut FunctionBuilderContext,
    ) -> Result<(), BackendError> {
        context.func.signature.params.extend([AbiParam::new(types::I64); 5]);
        let mut builder = FunctionBuilder::new(&mut context.func, builder_context);
        let (entry, body, exit) = (builder.create_block(), builder.create_block(), builder.create_block());
        builder.append_block_params_for_function_params(entry);
        let at = builder.append_block_param(body, types::I64);
        builder.switch_to_block(entry);
        let &[columns, scratch, sums, tables, row_bytes] = builder.block_params(entry) else {
            return Err(internal("the compiled function has other parameters"));
        };
        let zero = builder.ins().iconst(types::I64, 0);
        builder.ins().jump(body, &[zero.into()]);

        builder.switch_to_block(body);
        let scratch_at = builder.ins().iadd(scratch, at);
        let mut emitter = Emitter {
            builder: &mut builder,
            schedule: self.schedule,
            tables: &mut self.tables,
            values: HashMap::new(),
            bases: Bases { columns, scratch_at, sums, tables, at },
        };
        for index in segment {
            emitter.step(StepId(index))?;
        }
        let next = builder.ins().iadd_imm_s(at, NUMBER_BYTES.cast_signed() as i64);
        let more = builder.ins().icmp(IntCC::UnsignedLessThan, next, row_bytes);
        builder.ins().brif(more, body, &[next.into()], exit, &[]);
        builder.switch_to_block(exit);
        builder.ins().return_(&[]);
        builder.seal_all_blocks();
        builder.finalize(self.module.target_config());

        let signature = context.func.signature.clone();
        let function = self.module.declare_anonymous_function(&signature).map_err(internal)?;
        self.module
            .define_function(function, context)
            .map_err(|error| BackendError::new(Fault::Plan, format!("the plan does not compile: {error}")))?;
        self.functions.push(function);
        Ok(())
    }
}

/// Values that addresses are made of. `at` is the row's offset in bytes.
#[derive(Clone, Copy)]
struct Bases {
    columns: Value,
    scratch_at: Value,
    sums: Value,
    tables: Value,
    at: Value,
}

struct Emitter<'a, 'b> {
    builder: &'a mut FunctionBuilder<'b>,
    schedule: &'a Schedule,
    tables: &'a mut Vec<i64>,
    /// What this segment has computed or loaded.
    values: HashMap<usize, Value>,
    bases: Bases,
}

impl Emitter<'_, '_> {
    /// Computes a step of this segment, keeps it if a later one reads it, and adds it to its sums.
    fn step(&mut self, id: StepId) -> Result<(), BackendError> {
        let (Some(step), Some(sums), Some(&slot)) =
            (self.schedule.steps.get(id.0), self.schedule.sums.get(id.0), self.schedule.slots.get(id.0))
        else {
            return Err(internal("a step is missing"));
        };
        // Leaves are made where they are first read.
        if !step.is_leaf() {
            let value = self.compute(step)?;
            self.values.insert(id.0, value);
            if let Some(slot) = slot {
                let offset = byte_offset(slot * self.schedule.tile_rows)?;
                self.builder.ins().store(trusted(), value, self.bases.scratch_at, offset);
            }
        }
        for &sum in sums {
            let value = self.value(id)?;
            let offset = byte_offset(sum)?;
            let total = self.builder.ins().load(types::I64, trusted(), self.bases.sums, offset);
            let total = self.builder.ins().iadd(total, value);
            self.builder.ins().store(trusted(), total, self.bases.sums, offset);
        }
        Ok(())
    }

    /// The value of a step of this segment or an earlier one.
    fn value(&mut self, id: StepId) -> Result<Value, BackendError> {
        if let Some(&value) = self.values.get(&id.0) {
            return Ok(value);
        }
        let value = match (self.schedule.steps.get(id.0), self.schedule.slots.get(id.0)) {
            (Some(Step::Column(input)), _) => {
                // The compiler may move this load out of the loop.
                let flags = trusted().with_readonly().with_can_move();
                let offset = byte_offset(*input)?;
                let column = self.builder.ins().load(types::I64, flags, self.bases.columns, offset);
                let address = self.builder.ins().iadd(column, self.bases.at);
                // A column stands in a frame: little-endian, at any address.
                let flags = MemFlagsData::new().with_notrap().with_endianness(Endianness::Little);
                self.builder.ins().load(types::I64, flags, address, 0)
            }
            (Some(Step::Constant(constant)), _) => self.builder.ins().iconst(types::I64, *constant),
            (Some(_), Some(Some(slot))) => {
                let offset = byte_offset(slot * self.schedule.tile_rows)?;
                self.builder.ins().load(types::I64, trusted(), self.bases.scratch_at, offset)
            }
            _ => return Err(internal("a value is read before it is there")),
        };
        self.values.insert(id.0, value);
        Ok(value)
    }

    fn compute(&mut self, step: &Step) -> Result<Value, BackendError> {
        Ok(match step {
            Step::Column(_) | Step::Constant(_) => return Err(internal("a leaf is not computed")),
            Step::Member { arg, domain, starts_in, bounds } => {
                let arg = self.value(*arg)?;
                self.member(arg, *domain, *starts_in, bounds)?
            }
            Step::Outside { arg, range } => {
                let arg = self.value(*arg)?;
                // Below the range the difference wraps to a large unsigned number.
                let above = self.builder.ins().iadd_imm_s(arg, range.lo().wrapping_neg());
                let width = range.hi().abs_diff(range.lo()).cast_signed();
                let flag = self.builder.ins().icmp_imm_s(IntCC::UnsignedGreaterThan, above, width);
                self.builder.ins().uextend(types::I64, flag)
            }
            Step::Less { left, right } => self.compare(IntCC::SignedLessThan, *left, *right)?,
            Step::Equal { left, right } => self.compare(IntCC::Equal, *left, *right)?,
            Step::Linear { constant, terms } => self.linear(*constant, terms)?,
            Step::And { left, right } => {
                let (left, right) = (self.value(*left)?, self.value(*right)?);
                self.builder.ins().band(left, right)
            }
            Step::Mul { left, right } => {
                let (left, right) = (self.value(*left)?, self.value(*right)?);
                self.builder.ins().imul(left, right)
            }
        })
    }

    fn compare(&mut self, how: IntCC, left: StepId, right: StepId) -> Result<Value, BackendError> {
        let (left, right) = (self.value(left)?, self.value(right)?);
        let flag = self.builder.ins().icmp(how, left, right);
        Ok(self.builder.ins().uextend(types::I64, flag))
    }

    fn linear(&mut self, constant: i64, terms: &[(i64, StepId)]) -> Result<Value, BackendError> {
        let mut total = (constant != 0).then(|| self.builder.ins().iconst(types::I64, constant));
        for &(coefficient, term) in terms {
            let term = self.value(term)?;
            total = Some(match (total, coefficient) {
                (None, 1) => term,
                (Some(total), 1) => self.builder.ins().iadd(total, term),
                (Some(total), -1) => self.builder.ins().isub(total, term),
                (total, _) => {
                    let scaled = self.builder.ins().imul_imm_s(term, coefficient);
                    total.map_or(scaled, |total| self.builder.ins().iadd(total, scaled))
                }
            });
        }
        total.ok_or_else(|| internal("a linear step has no term"))
    }

    fn member(
        &mut self,
        arg: Value,
        domain: Range,
        starts_in: bool,
        bounds: &[i64],
    ) -> Result<Value, BackendError> {
        let flag = match *bounds {
            [bound] => {
                let how = if starts_in { IntCC::SignedLessThan } else { IntCC::SignedGreaterThanOrEqual };
                self.builder.ins().icmp_imm_s(how, arg, bound)
            }
            [lo, hi] => {
                // Below `lo` the difference wraps to a large unsigned number.
                let how = if starts_in { IntCC::UnsignedGreaterThanOrEqual } else { IntCC::UnsignedLessThan };
                let above = self.builder.ins().iadd_imm_s(arg, -lo);
                self.builder.ins().icmp_imm_s(how, above, hi - lo)
            }
            _ if domain.size() <= 64 => {
                let mask = bit_mask(domain, starts_in, bounds);
                let mask = self.builder.ins().iconst(types::I64, mask.cast_signed());
                let index = self.builder.ins().iadd_imm_s(arg, -domain.lo());
                let shifted = self.builder.ins().ushr(mask, index);
                return Ok(self.builder.ins().band_imm_u(shifted, 1));
            }
            _ => return self.search(arg, starts_in, bounds),
        };
        Ok(self.builder.ins().uextend(types::I64, flag))
    }

    /// How many bounds are not above `arg`, by halving, and whether that is odd.
    fn search(&mut self, arg: Value, starts_in: bool, bounds: &[i64]) -> Result<Value, BackendError> {
        let table = byte_offset(self.tables.len())?;
        // No value reaches the padding, so that it is never counted.
        let padded = (bounds.len() + 1).next_power_of_two();
        self.tables.extend_from_slice(bounds);
        self.tables.resize(self.tables.len() + padded - bounds.len(), i64::MAX);
        byte_offset(self.tables.len())?;

        let mut passed = self.builder.ins().iconst(types::I64, 0);
        let mut half = padded / 2;
        while half > 0 {
            let address = self.builder.ins().ishl_imm_u(passed, 3);
            let address = self.builder.ins().iadd(self.bases.tables, address);
            let last = table + byte_offset(half - 1)?;
            let bound = self.builder.ins().load(types::I64, trusted().with_readonly(), address, last);
            let reached = self.builder.ins().icmp(IntCC::SignedLessThanOrEqual, bound, arg);
            let further = self.builder.ins().iadd_imm_s(passed, i64::try_from(half).map_err(internal)?);
            passed = self.builder.ins().select(reached, further, passed);
            half /= 2;
        }
        let parity = self.builder.ins().band_imm_u(passed, 1);
        Ok(self.builder.ins().bxor_imm_u(parity, i64::from(starts_in)))
    }
}

/// Bit i tells whether `domain.lo() + i` is a member.
fn bit_mask(domain: Range, starts_in: bool, bounds: &[i64]) -> u64 {
    let above =
        |from: i64| u64::MAX.checked_shl(u32::try_from(from - domain.lo()).unwrap_or(64)).unwrap_or(0);
    bounds.iter().fold(if starts_in { u64::MAX } else { 0 }, |mask, &bound| mask ^ above(bound))
}

/// Memory of this crate's own: aligned, always there.
fn trusted() -> MemFlagsData {
    MemFlagsData::trusted()
}

/// Offset of the `index`-th number.
fn byte_offset(index: usize) -> Result<i32, BackendError> {
    index
        .checked_mul(NUMBER_BYTES)
        .and_then(|offset| i32::try_from(offset).ok())
        .ok_or_else(|| BackendError::new(Fault::Plan, "the plan is too large to be compiled"))
}

fn internal(error: impl ToString) -> BackendError {
    BackendError::new(Fault::Internal, error.to_string())
}
