//! Noise from step to step along the critical path, below the modulus of each level.

use hq_plugin_sdk::plan::{NodeId, Op};

use super::subject::Subject;
use super::svg::{BLUE, DARK, GREEN, GREY, ORANGE, PALE, Side, Size, Svg};

/// Pixels.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 96.0;
const PLOT: f64 = 340.0;
const FOOT: f64 = 96.0;
const LEAST_WIDTH: f64 = 720.0;
const STEP: f64 = 34.0;

/// Bits between marks of the axis.
const MARKS: [f64; 5] = [10.0, 20.0, 50.0, 100.0, 200.0];

/// A step of the path, or what is opened in the end.
struct Step {
    level: usize,
    name: &'static str,
    bound: f64,
    predicted: f64,
    measured: Option<f64>,
}

/// A number of a step, where there is one.
type Pick = fn(&Step) -> Option<f64>;

fn steps(subject: &Subject<'_>) -> Vec<Step> {
    let step = |&node: &NodeId| Step {
        level: subject.level(node),
        name: subject.plan.op(node).map_or("", name),
        bound: subject.bound(node),
        predicted: subject.predicted.node_bits.get(node.index()).copied().unwrap_or(0.0),
        measured: subject.measured.and_then(|measured| measured.node_stddev_bits.get(node.index()).copied()),
    };
    let mut steps: Vec<Step> = subject.path.nodes.iter().map(step).collect();
    let sum = subject.path.sum.index();
    if let (Some(release), Some(certified), Some(predicted)) =
        (subject.plan.release, subject.certificate.sums.get(sum), subject.predicted.sums.get(sum))
    {
        let level = usize::from(release.level.0);
        let measured = |pick: fn(&hq_plugin_sdk::backend::Measurement) -> &Vec<f64>| {
            subject.measured.and_then(|measured| pick(measured).get(sum).copied())
        };
        let before = measured(|measured| &measured.sum_bits_before_flooding);
        let after = measured(|measured| &measured.sum_bits);
        steps.push(Step {
            level,
            name: "sum",
            bound: certified.bits,
            predicted: predicted.bits,
            measured: before,
        });
        let (bound, predicted) = (certified.flooded_bits, predicted.flooded_bits);
        steps.push(Step { level, name: "flood", bound, predicted, measured: after });
    }
    steps
}

fn name(op: &Op) -> &'static str {
    match op {
        Op::Input { .. } => "input",
        Op::Linear(_) => "linear",
        Op::Mul { .. } => "product",
        Op::Relinearize { .. } => "relin.",
        Op::ModSwitch { .. } => "switch",
        Op::Drop { .. } => "drop",
        Op::Member { .. } | Op::Less { .. } | Op::Equal { .. } | Op::Lookup { .. } => "",
    }
}

fn float(index: usize) -> f64 {
    f64::from(u32::try_from(index).unwrap_or(u32::MAX))
}

pub(super) fn draw(subject: &Subject<'_>) -> String {
    let steps = steps(subject);
    let step_width = ((LEAST_WIDTH - LEFT - RIGHT) / float(steps.len().max(1))).max(STEP);
    let width = LEFT + step_width * float(steps.len()) + RIGHT;
    let most = steps.iter().map(|step| subject.capacity(step.level)).fold(1.0, f64::max);
    let y = |bits: f64| TOP + PLOT * (1.0 - bits.max(0.0) / most);
    let x = |index: usize| LEFT + step_width * (float(index) + 0.5);
    let title = format!("Noise along the critical path of {}", subject.name);
    let mut svg = Svg::new(width, TOP + PLOT + FOOT, &title, &description(&steps));
    svg.words((20.0, 24.0), Size::Title, Side::Left, DARK, &title);
    axis(&mut svg, most, width, y);
    // Bands of levels with their moduli.
    let mut start = 0;
    for (index, step) in steps.iter().enumerate() {
        if steps.get(index + 1).is_some_and(|next| next.level == step.level) {
            continue;
        }
        let (from, to) = (x(start) - step_width / 2.0, x(index) + step_width / 2.0);
        let top = y(subject.capacity(step.level));
        svg.rect((from, top), (to - from, TOP + PLOT - top), 0.0, "fill=\"#56b4e9\" fill-opacity=\"0.10\"");
        svg.line(&[(from, top), (to, top)], &format!("stroke=\"{DARK}\" stroke-width=\"2\""));
        svg.line(&[(to, top), (to, TOP + PLOT)], &format!("stroke=\"{PALE}\""));
        svg.words(
            (f64::midpoint(from, to), top - 10.0),
            Size::Small,
            Side::Middle,
            DARK,
            &format!("@{}", step.level),
        );
        start = index + 1;
    }
    let series: [(&str, &str, Pick); 3] = [
        (ORANGE, "", |step| Some(step.bound)),
        (BLUE, "", |step| Some(step.predicted)),
        (GREEN, " stroke-dasharray=\"3 4\"", |step| step.measured),
    ];
    for (colour, dashes, pick) in series {
        let points: Vec<(f64, f64)> = steps
            .iter()
            .enumerate()
            .filter_map(|(index, step)| pick(step).map(|bits| (x(index), y(bits))))
            .collect();
        if points.is_empty() {
            continue;
        }
        svg.line(
            &points,
            &format!("stroke=\"{colour}\" stroke-width=\"2.2\" stroke-linejoin=\"round\"{dashes}"),
        );
        for &point in &points {
            svg.circle(point, 3.2, &format!("fill=\"{colour}\""));
        }
    }
    for (index, step) in steps.iter().enumerate() {
        let drop = if step_width < 46.0 && index % 2 == 1 { 16.0 } else { 0.0 };
        svg.words((x(index), TOP + PLOT + 14.0 + drop), Size::Small, Side::Middle, GREY, step.name);
    }
    legend(&mut svg, subject.measured.is_some());
    svg.finish()
}

fn axis(svg: &mut Svg, most: f64, width: f64, y: impl Fn(f64) -> f64) {
    let apart = MARKS.into_iter().find(|apart| most / apart <= 9.0).unwrap_or(500.0);
    let mut mark = 0.0;
    while mark <= most {
        svg.line(&[(LEFT, y(mark)), (width - RIGHT, y(mark))], &format!("stroke=\"{PALE}\""));
        svg.words((LEFT - 8.0, y(mark)), Size::Small, Side::Right, DARK, &format!("{mark:.0}"));
        mark += apart;
    }
    svg.words((20.0, TOP - 22.0), Size::Small, Side::Left, GREY, "bits");
}

fn legend(svg: &mut Svg, measured: bool) {
    let mut entries = vec![
        (DARK, "half the modulus: what can be read"),
        (ORANGE, "certified bound"),
        (BLUE, "standard deviation, predicted"),
    ];
    if measured {
        entries.push((GREEN, "measured"));
    }
    let mut x = 20.0;
    for (colour, words) in entries {
        svg.line(&[(x, 48.0), (x + 22.0, 48.0)], &format!("stroke=\"{colour}\" stroke-width=\"2.4\""));
        svg.words((x + 28.0, 48.0), Size::Small, Side::Left, DARK, words);
        x += 48.0 + 6.0 * float(words.len());
    }
    let words =
        "The bound holds for every value of |v| at the 2N-th roots; the deviation is of coefficients.";
    svg.words((20.0, TOP + PLOT + 62.0), Size::Small, Side::Left, GREY, words);
}

fn description(steps: &[Step]) -> String {
    let words = |step: &Step| {
        format!(
            "{} at level {}: deviation {:.0} bits, bound {:.0}",
            step.name, step.level, step.predicted, step.bound
        )
    };
    format!("{}.", steps.iter().map(words).collect::<Vec<_>>().join("; "))
}
