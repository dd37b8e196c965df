//! Where items stand: rows by level and by steps within it, columns at the head of their level; in a row the order
//! with few crossings. Edges that pass a row have a place in it (Sugiyama, Tagawa, Toda, "Methods for visual
//! understanding of hierarchical system structures", 1981, with barycentres).

use super::collect::{Graph, Item, Kind};
use super::isotonic::spread;

/// Sweeps down and up over the rows.
const SWEEPS: usize = 24;

/// Pixels that an edge takes in a row that it passes.
const PASSING: f64 = 16.0;

/// Pixels between items.
const GAP: f64 = 22.0;

/// Something in a row.
#[derive(Clone, Copy, Debug)]
struct Spot {
    row: usize,
    x: f64,
    width: f64,
}

/// A row of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) level: usize,
    /// Whether numbers leave here.
    pub(super) release: bool,
}

/// Places of items and ways of edges.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) rows: Vec<Row>,
    /// Row and middle of each item.
    pub(super) items: Vec<(usize, f64)>,
    /// For each edge the middles at the rows between its ends.
    pub(super) passes: Vec<Vec<(usize, f64)>>,
    pub(super) width: f64,
}

/// Pixels of an item.
pub(super) fn width(item: &Item) -> f64 {
    match item.kind {
        Kind::Product | Kind::Combination => 36.0,
        Kind::Column | Kind::Sum => {
            let letters = u32::try_from(text(item).chars().count()).unwrap_or(u32::MAX);
            f64::from(letters) * 7.2 + 22.0
        }
    }
}

/// What stands in an item.
pub(super) fn text(item: &Item) -> String {
    match (item.kind, item.count) {
        (Kind::Product | Kind::Combination, _) => item.label.clone(),
        (_, 1) => item.label.clone(),
        (Kind::Column, count) => format!("{}, {count} parts", item.label),
        (Kind::Sum, count) => format!("{count} {}", item.label),
    }
}

/// Steps of each item within its level.
pub(super) fn depths(graph: &Graph) -> Vec<usize> {
    let mut depths: Vec<usize> = Vec::with_capacity(graph.items.len());
    for (index, item) in graph.items.iter().enumerate() {
        let reads = graph.edges.iter().filter(|edge| edge.to == index);
        let same = reads.filter(|edge| {
            graph.items.get(edge.from).is_some_and(|from| from.level == item.level && from.kind != Kind::Sum)
        });
        let depth = same.filter_map(|edge| depths.get(edge.from)).map(|depth| depth + 1).max();
        depths.push(depth.unwrap_or(0));
    }
    depths
}

/// Lays a graph out.
pub(super) fn layout(graph: &Graph) -> Layout {
    let depths = depths(graph);
    let place = |index: usize| -> (bool, std::cmp::Reverse<usize>, usize) {
        let item = graph.items.get(index);
        let release = item.is_some_and(|item| item.kind == Kind::Sum);
        let depth = if release { 0 } else { depths.get(index).copied().unwrap_or(0) };
        (release, std::cmp::Reverse(item.map_or(0, |item| item.level)), depth)
    };
    let mut keys: Vec<_> = (0..graph.items.len()).map(place).collect();
    keys.sort_unstable();
    keys.dedup();
    let row_of = |index: usize| keys.binary_search(&place(index)).unwrap_or(0);
    let mut spots: Vec<Spot> = graph
        .items
        .iter()
        .enumerate()
        .map(|(index, item)| Spot { row: row_of(index), x: 0.0, width: width(item) + GAP })
        .collect();
    let mut links: Vec<(usize, usize)> = Vec::new();
    let mut passes: Vec<Vec<usize>> = Vec::new();
    for edge in &graph.edges {
        let (from, to) = (row_of(edge.from), row_of(edge.to));
        let own: Vec<usize> = (from + 1..to)
            .map(|row| {
                spots.push(Spot { row, x: 0.0, width: PASSING });
                spots.len() - 1
            })
            .collect();
        let chain: Vec<usize> = [edge.from].into_iter().chain(own.iter().copied()).chain([edge.to]).collect();
        links.extend(chain.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))));
        passes.push(own);
    }
    arrange(&mut spots, &links, keys.len());
    let left = spots.iter().map(|spot| spot.x - spot.width / 2.0).fold(f64::INFINITY, f64::min);
    let right = spots.iter().map(|spot| spot.x + spot.width / 2.0).fold(f64::NEG_INFINITY, f64::max);
    let at = |index: usize| spots.get(index).map_or((0, 0.0), |spot| (spot.row, spot.x - left));
    Layout {
        rows: keys.iter().map(|&(release, level, _)| Row { level: level.0, release }).collect(),
        items: (0..graph.items.len()).map(at).collect(),
        passes: passes.into_iter().map(|own| own.into_iter().map(at).collect()).collect(),
        width: if graph.items.is_empty() { 0.0 } else { right - left },
    }
}

/// Orders and places: rows down and up, each spot by the mean of its neighbours' places.
fn arrange(spots: &mut [Spot], links: &[(usize, usize)], rows: usize) {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); rows];
    for (index, spot) in spots.iter().enumerate() {
        if let Some(row) = members.get_mut(spot.row) {
            row.push(index);
        }
    }
    let (mut above, mut below) = (vec![Vec::new(); spots.len()], vec![Vec::new(); spots.len()]);
    for &(upper, lower) in links {
        if let Some(list) = above.get_mut(lower) {
            list.push(upper);
        }
        if let Some(list) = below.get_mut(upper) {
            list.push(lower);
        }
    }
    for row in &members {
        place(spots, row, &vec![0.0; row.len()]);
    }
    for sweep in 0..SWEEPS {
        // The last sweeps look both ways, so that nothing hangs far from its users.
        let both = sweep + 4 >= SWEEPS;
        let order: Vec<usize> = if sweep % 2 == 0 { (0..rows).collect() } else { (0..rows).rev().collect() };
        for row in order {
            let Some(row) = members.get_mut(row) else { continue };
            let wish = |index: usize| {
                let lists = [above.get(index), below.get(index)];
                let used = match (both, sweep % 2) {
                    (true, _) => lists,
                    (false, 0) => [lists[0], None],
                    (false, _) => [None, lists[1]],
                };
                let near: Vec<f64> =
                    used.into_iter().flatten().flatten().filter_map(|&n| spots.get(n)).map(|s| s.x).collect();
                let count = u32::try_from(near.len()).unwrap_or(1);
                let own = spots.get(index).map_or(0.0, |spot| spot.x);
                if near.is_empty() { own } else { near.iter().sum::<f64>() / f64::from(count) }
            };
            let mut wished: Vec<(f64, usize)> = row.iter().map(|&index| (wish(index), index)).collect();
            if !both {
                wished.sort_by(|a, b| a.0.total_cmp(&b.0));
            }
            *row = wished.iter().map(|&(_, index)| index).collect();
            let wishes: Vec<f64> = wished.iter().map(|&(wish, _)| wish).collect();
            let row = row.clone();
            place(spots, &row, &wishes);
        }
    }
}

fn place(spots: &mut [Spot], row: &[usize], wishes: &[f64]) {
    let wished: Vec<(f64, f64)> = row
        .iter()
        .zip(wishes)
        .map(|(&index, &wish)| (wish, spots.get(index).map_or(0.0, |spot| spot.width)))
        .collect();
    for (&index, x) in row.iter().zip(spread(&wished)) {
        if let Some(spot) = spots.get_mut(index) {
            spot.x = x;
        }
    }
}
