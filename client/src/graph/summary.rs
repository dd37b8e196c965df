//! Large plans: items of one kind and level that read alike become one, with their number.

use std::collections::BTreeMap;

use super::collect::{Edge, Graph, Item, Kind, Way};
use super::layers::depths;

/// What items that become one have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    kind: Kind,
    level: usize,
    depth: usize,
    critical: bool,
    /// Label of a column, where columns are told apart.
    label: String,
    /// Groups that it reads, where these are told apart.
    reads: Vec<usize>,
}

/// At most about `most` items: first those that read the same are one, then all of a kind and a row.
pub(super) fn summarise(graph: &Graph, most: usize) -> Graph {
    let ways = [(true, true), (true, false), (false, false)];
    let mut summary = graph.clone();
    for (columns, reads) in ways {
        summary = grouped(graph, columns, reads);
        if summary.items.len() <= most {
            break;
        }
    }
    summary
}

fn grouped(graph: &Graph, columns: bool, reads: bool) -> Graph {
    let depths = depths(graph);
    let mut groups: BTreeMap<Alike, usize> = BTreeMap::new();
    let mut group_of: Vec<usize> = Vec::with_capacity(graph.items.len());
    let mut out = Graph::default();
    for (index, item) in graph.items.iter().enumerate() {
        let mut read: Vec<usize> = if reads {
            let from = graph.edges.iter().filter(|edge| edge.to == index).map(|edge| edge.from);
            from.filter_map(|from| group_of.get(from).copied()).collect()
        } else {
            Vec::new()
        };
        read.sort_unstable();
        read.dedup();
        let alike = Alike {
            kind: item.kind,
            level: item.level,
            depth: depths.get(index).copied().unwrap_or(0),
            critical: item.critical && item.kind != Kind::Column,
            label: if columns && item.kind == Kind::Column { item.label.clone() } else { String::new() },
            reads: read,
        };
        let next = out.items.len();
        let group = *groups.entry(alike).or_insert(next);
        match out.items.get_mut(group) {
            Some(known) => add(known, item),
            None => out.items.push(item.clone()),
        }
        group_of.push(group);
    }
    let mut edges: BTreeMap<(usize, usize, Way), Edge> = BTreeMap::new();
    for edge in &graph.edges {
        let (Some(&from), Some(&to)) = (group_of.get(edge.from), group_of.get(edge.to)) else { continue };
        let known = edges.entry((from, to, edge.way)).or_insert(Edge {
            from,
            to,
            way: edge.way,
            critical: false,
            count: 0,
        });
        known.critical |= edge.critical;
        known.count += edge.count;
    }
    out.edges = edges.into_values().collect();
    out
}

fn add(group: &mut Item, item: &Item) {
    if group.label != item.label {
        group.label = match item.kind {
            Kind::Column => "columns".to_owned(),
            Kind::Sum => "numbers".to_owned(),
            Kind::Product | Kind::Combination => item.label.clone(),
        };
    }
    group.count += item.count;
    group.bound = group.bound.max(item.bound);
    group.critical |= item.critical;
}
