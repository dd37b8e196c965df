//! `hq keygen`: a key pair with parameters that serve a dataset's queries.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::Path;

use hq_dsl::Dataset;
use hq_engine::compile::CompiledQueries;
use hq_engine::forms::Forms;
use hq_engine::planner::Target;
use hq_plugin_sdk::parameters::{Parameters, RnsParameters, RnsRequest};
use hq_plugin_sdk::tfhe::TfheParameters;

use crate::backend::Backend;
use crate::cli::KeygenArgs;
use crate::error::{ClientError, Result, mismatch, refused};
use crate::forms::{self, note_room};
use crate::gate_keys::GatePair;
use crate::joint::Joint;
use crate::keys::{self, Protection, SECRET};
use crate::loader::FileLoader;
use crate::output;
use crate::passphrase::{Purpose, passphrase};
use crate::program::{Program, read_schema};
use crate::workload;

/// Makes and stores a key pair.
pub(crate) fn keygen(args: &KeygenArgs) -> Result<()> {
    let (dataset, schema) = read_schema(&args.dataset)?;
    let backend = Backend::load_for(&args.backend, [&dataset])?;
    let programs = programs(args, &dataset, &schema)?;
    let forms = args.forms.of(&dataset, backend.evaluator.capabilities())?;
    let parameters = common_parameters(&programs, &forms, &backend, args.security)?;
    let forms = forms.under(&parameters, dataset.rows);
    let protection = if args.no_passphrase {
        output::warn(&format!(
            "the secret key is stored WITHOUT A PASSPHRASE: whoever reads {} reads all data",
            args.output.join(SECRET).display()
        ));
        Protection::None
    } else {
        Protection::Passphrase(passphrase(&args.passphrase, Purpose::New)?)
    };
    if !backend.is_encrypted() {
        output::warn(&format!("backend `{}` encrypts NOTHING: its keys protect nothing", backend.name));
    }
    let pair = backend.custody.keygen(&parameters, None).map_err(refused("key generation"))?;
    let gates = if dataset.release.min_cell_encrypted && backend.is_encrypted() {
        Some(GatePair::make(&backend, &parameters, &pair)?)
    } else {
        None
    };
    let pair = match &gates {
        Some(gates) => gates.beside(&pair),
        None => pair,
    };
    let evaluation_bytes = pair.evaluation.len();
    let binding = gates.map(|gates| gates.binding());
    let described = (&dataset, schema, &forms);
    let scheme = (backend.name.as_str(), parameters, binding);
    let description = keys::write(&args.output, scheme, described, &pair, &protection)?;
    output::out(&format!(
        "{}: keys {} for `{}`\n  secret.key       keep it; nobody else may have it\n  evaluation.keys  \
         {} bytes, for whoever computes\n",
        args.output.display(),
        description.key_id,
        dataset.name,
        hq_dsl::with_commas(u128::try_from(evaluation_bytes).unwrap_or(u128::MAX)),
    ));
    Ok(())
}

/// What the keys must serve: the programs named, or a typical one.
fn programs(args: &KeygenArgs, dataset: &Dataset, schema: &str) -> Result<Vec<Program>> {
    let of_schema = (args.dataset.as_path(), dataset, schema);
    if !args.query.is_empty() {
        return workload::programs(&args.query, &args.schema, of_schema);
    }
    let text = workload::text(dataset)
        .map_err(|reason| ClientError::NoWorkload { dataset: dataset.name.clone(), reason })?;
    let loader = FileLoader::default().with(&dataset.name, &args.dataset.display().to_string(), schema);
    Ok(vec![Program::compile(Path::new("default workload"), text, &[], loader)?])
}

/// Queries with the parameters that are cheapest for them.
struct Wanted<'a> {
    joint: Joint<'a>,
    parameters: Parameters,
}

impl<'a> Wanted<'a> {
    fn new(joint: Joint<'a>, compiled: CompiledQueries) -> Result<Self> {
        let parameters = compiled.planned.plan.parameters;
        let parameters = parameters.ok_or_else(|| mismatch(joint.file(), "the plan has no parameters"))?;
        Ok(Self { joint, parameters })
    }
}

/// Parameters that certify every query, and all that may be computed together as one, if that takes no more room than the
/// forms allow.
fn common_parameters(
    programs: &[Program],
    forms: &Forms,
    backend: &Backend,
    security_bits: u32,
) -> Result<Parameters> {
    let joints = Joint::all(programs);
    let mut wanted = Vec::new();
    for joint in joints.iter().flat_map(Joint::apart) {
        let compiled = forms::plan(&joint, &backend.evaluator, forms, security_bits)?;
        wanted.push(Wanted::new(joint, compiled)?);
    }
    let of_each = serving(&wanted, forms, backend, security_bits);
    if wanted.len() == 1 {
        return of_each;
    }
    let mut planned = true;
    for joint in joints.into_iter().filter(Joint::is_several) {
        match forms::attempt(&joint, &backend.evaluator, forms, security_bits) {
            Ok(compiled) => wanted.push(Wanted::new(joint, compiled)?),
            Err(_) => planned = false,
        }
    }
    let of_all = if planned { serving(&wanted, forms, backend, security_bits).ok() } else { None };
    let fits = |parameters: &Parameters| match parameters {
        Parameters::Rns(rns) => forms.fits(rns),
        Parameters::Tfhe(_) | Parameters::Clear { .. } => true,
    };
    let parameters = match of_all {
        Some(of_all) if fits(&of_all) || !of_each.as_ref().is_ok_and(fits) => of_all,
        Some(_) | None => {
            let of_each = of_each?;
            output::note(
                "the keys serve these queries one by one; for all in one run they would have to be larger",
            );
            of_each
        }
    };
    if let Parameters::Rns(rns) = &parameters {
        note_room("the workload", forms, rns);
    }
    Ok(parameters)
}

/// The smallest parameters that certify all, if there are any within the room that the forms allow; larger ones else.
fn serving(
    wanted: &[Wanted<'_>],
    forms: &Forms,
    backend: &Backend,
    security_bits: u32,
) -> Result<Parameters> {
    let mut candidates: Vec<RnsParameters> = Vec::with_capacity(wanted.len());
    let mut tables: Vec<TfheParameters> = Vec::new();
    for Wanted { parameters, .. } in wanted {
        match parameters {
            Parameters::Rns(rns) => candidates.push(with_key_of_square(rns.clone())),
            Parameters::Tfhe(tfhe) => tables.push(tfhe.clone()),
            // Without noise, any plan's parameters are those of all.
            Parameters::Clear { .. } => return Ok(parameters.clone()),
        }
    }
    let encodings = forms.encodings();
    let refusal = |target: &Target| {
        wanted.iter().find_map(|Wanted { joint, .. }| {
            let planned = joint.plan(&backend.evaluator, &encodings, target);
            planned.err().map(|refusal| (joint.names(), refusal.diagnostic.to_string()))
        })
    };
    let mut reason = None;
    for candidate in common_tables(&tables) {
        match refusal(&Target::Bootstrapped(candidate.clone())) {
            None => return Ok(Parameters::Tfhe(candidate)),
            refused => reason = refused,
        }
    }
    candidates.sort_by_key(size);
    candidates.dedup();
    let leveled = backend.evaluator.capabilities().leveled.iter();
    let degrees: Vec<u32> = leveled
        .flat_map(|leveled| &leveled.security)
        .filter(|limit| limit.security_bits == security_bits)
        .map(|limit| limit.ring_degree)
        .collect();
    let joined: Vec<RnsParameters> = requests(&candidates, &degrees)
        .iter()
        .filter_map(|request| backend.evaluator.resolve(request).ok())
        .collect();
    let (within, beyond): (Vec<_>, Vec<_>) =
        candidates.into_iter().chain(joined).partition(|candidate| forms.fits(candidate));
    for candidate in within.into_iter().chain(beyond) {
        match refusal(&Target::Fixed(candidate.clone())) {
            None => return Ok(Parameters::Rns(candidate)),
            refused => reason = refused,
        }
    }
    let (hardest, reason) = reason.unwrap_or_default();
    let queries =
        wanted.iter().map(|Wanted { joint, .. }| joint.quoted_names()).collect::<Vec<_>>().join(", ");
    Err(ClientError::NoCommonParameters { security: security_bits, queries, hardest, reason })
}

/// With the key of the secret's square at every level, so that a query that nobody foresaw can be placed too.
fn with_key_of_square(mut rns: RnsParameters) -> RnsParameters {
    let all = u32::try_from(rns.moduli.len()).unwrap_or(u32::MAX);
    match rns.relinearization_limbs.first_mut() {
        Some(square) => *square = all,
        None => rns.relinearization_limbs.push(all),
    }
    rns
}

/// Of a scheme of bootstraps, from cheap to dear: what some query wants, with sums as wide as some query's.
fn common_tables(wanted: &[TfheParameters]) -> Vec<TfheParameters> {
    let widths: BTreeSet<u32> = wanted.iter().map(|tfhe| tfhe.sum_bits).collect();
    let mut candidates: Vec<TfheParameters> = wanted
        .iter()
        .flat_map(|tfhe| widths.iter().map(|&sum_bits| TfheParameters { sum_bits, ..tfhe.clone() }))
        .collect();
    candidates.sort_by_key(|tfhe| (tfhe.sum_bootstrap.levels, Reverse(tfhe.sum_bits)));
    candidates.dedup();
    candidates
}

/// What orders parameters from cheap to dear.
fn size(rns: &RnsParameters) -> (u32, usize, u64) {
    (rns.ring_degree, rns.moduli.len() + rns.special_moduli.len(), rns.plaintext_modulus)
}

/// What holds the widest of everything: the plaintext modulus, and each prime of the chain, at each ring
/// degree from the largest wanted on.
fn requests(wanted: &[RnsParameters], degrees: &[u32]) -> Vec<RnsRequest> {
    let bits = |prime: u64| u64::BITS - prime.leading_zeros();
    let widest = |primes: fn(&RnsParameters) -> &Vec<u64>| {
        let length = wanted.iter().map(|rns| primes(rns).len()).max().unwrap_or(0);
        (0..length)
            .map(|index| {
                wanted.iter().filter_map(|rns| primes(rns).get(index)).map(|&prime| bits(prime)).max()
            })
            .map(Option::unwrap_or_default)
            .collect::<Vec<u32>>()
    };
    let Some(largest) = wanted.iter().max_by_key(|rns| size(rns)) else { return Vec::new() };
    let modulus = wanted.iter().map(|rns| rns.plaintext_modulus).max().unwrap_or(0);
    let (modulus_bits, special_bits) = (widest(|rns| &rns.moduli), widest(|rns| &rns.special_moduli));
    let powers = wanted.iter().map(|rns| rns.relinearization_limbs.len()).max().unwrap_or(0);
    let most = |power: usize| wanted.iter().filter_map(|rns| rns.relinearization_limbs.get(power)).max();
    let relinearization_limbs: Vec<u32> = (0..powers).filter_map(most).copied().collect();
    let mut degrees: Vec<u32> =
        degrees.iter().copied().filter(|&degree| degree >= largest.ring_degree).collect();
    degrees.sort_unstable();
    degrees.dedup();
    degrees
        .into_iter()
        .map(|ring_degree| RnsRequest {
            ring_degree,
            min_plaintext_modulus: modulus,
            modulus_bits: modulus_bits.clone(),
            special_bits: special_bits.clone(),
            relinearization_limbs: relinearization_limbs.clone(),
            digit_limbs: wanted.iter().map(|rns| rns.digit_limbs).min().unwrap_or(1),
            security_bits: largest.security_bits,
        })
        .collect()
}
