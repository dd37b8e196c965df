//! From the nodes of a plan to what is drawn: columns, products, combinations of several values, sums. What neither
//! multiplies nor adds is an edge: negation, relinearization, switching, dropping.

use std::collections::BTreeMap;

use hq_plugin_sdk::plan::{NodeId, Op};

use super::subject::Subject;

/// What an item stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Parts of a column that enter at one level.
    Column,
    /// A product.
    Product,
    /// A combination of several values.
    Combination,
    /// A released number.
    Sum,
}

/// Something with a place of its own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) label: String,
    pub(super) level: usize,
    /// Largest certified bound in bits.
    pub(super) bound: f64,
    /// On the critical path.
    pub(super) critical: bool,
    /// How many it stands for.
    pub(super) count: usize,
}

/// How a value gets from one item to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// On its level.
    Straight,
    /// Down by truncation: its noise stays.
    Dropped,
    /// Down by modulus switching: its noise is divided.
    Switched,
}

/// What an item reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) way: Way,
    pub(super) critical: bool,
    /// How many values it stands for.
    pub(super) count: usize,
}

/// Items in the order of the plan, operands before their users.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Graph {
    pub(super) items: Vec<Item>,
    pub(super) edges: Vec<Edge>,
}

/// Where a node's value is drawn.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    item: usize,
    way: Way,
}

struct Collector<'a> {
    subject: &'a Subject<'a>,
    graph: Graph,
    /// Of each node so far.
    drawn: Vec<Option<Drawn>>,
    columns: BTreeMap<(String, usize), usize>,
    edges: BTreeMap<(usize, usize, Way), usize>,
}

pub(super) fn collect(subject: &Subject<'_>) -> Graph {
    let mut collector = Collector {
        subject,
        graph: Graph::default(),
        drawn: Vec::new(),
        columns: BTreeMap::new(),
        edges: BTreeMap::new(),
    };
    let live = live(subject);
    for (node, op) in subject.plan.iter() {
        let drawn = if live.get(node.index()) == Some(&true) { collector.node(node, op) } else { None };
        collector.drawn.push(drawn);
    }
    collector.sums();
    collector.graph
}

/// Which nodes a sum depends on.
fn live(subject: &Subject<'_>) -> Vec<bool> {
    let mut live = vec![false; subject.plan.nodes().len()];
    let mark = |node: NodeId, live: &mut Vec<bool>| {
        if let Some(place) = live.get_mut(node.index()) {
            *place = true;
        }
    };
    subject.plan.sums.iter().for_each(|sum| mark(sum.node, &mut live));
    for (node, op) in subject.plan.iter().rev() {
        if live.get(node.index()) == Some(&true) {
            op.operands().into_iter().for_each(|operand| mark(operand, &mut live));
        }
    }
    live
}

impl Collector<'_> {
    fn node(&mut self, node: NodeId, op: &Op) -> Option<Drawn> {
        match op {
            Op::Input { input, .. } => {
                let name =
                    self.subject.plan.inputs.get(input.index()).map_or("", |input| input.name.as_str());
                let column = name.split('.').next().unwrap_or(name);
                Some(self.column(node, if column == "rows" { name } else { column }))
            }
            Op::Mul { .. } => Some(self.item(node, op, Kind::Product)),
            Op::Linear(linear) => {
                let mut operands = linear.terms().iter().filter_map(|&(_, term)| self.at(term));
                let first = operands.next()?;
                if operands.all(|other| other.item == first.item) {
                    let critical = self.is_critical(node);
                    self.touch(first.item, node, critical);
                    return Some(first);
                }
                Some(self.item(node, op, Kind::Combination))
            }
            Op::Relinearize { arg } => self.at(*arg),
            Op::ModSwitch { arg } => self.at(*arg).map(|drawn| Drawn { way: Way::Switched, ..drawn }),
            Op::Drop { arg, .. } => {
                self.at(*arg).map(|drawn| Drawn { way: drawn.way.max(Way::Dropped), ..drawn })
            }
            Op::Member { .. } | Op::Less { .. } | Op::Equal { .. } | Op::Lookup { .. } => None,
        }
    }

    fn at(&self, node: NodeId) -> Option<Drawn> {
        self.drawn.get(node.index()).copied().flatten()
    }

    fn is_critical(&self, node: NodeId) -> bool {
        self.subject.path.nodes.contains(&node)
    }

    fn touch(&mut self, item: usize, node: NodeId, critical: bool) {
        if let Some(item) = self.graph.items.get_mut(item)
            && self.subject.level(node) == item.level
        {
            item.bound = item.bound.max(self.subject.bound(node));
            item.critical |= critical;
        }
    }

    fn column(&mut self, node: NodeId, name: &str) -> Drawn {
        let level = self.subject.level(node);
        let next = self.graph.items.len();
        let item = *self.columns.entry((name.to_owned(), level)).or_insert(next);
        if item == next {
            self.push(Kind::Column, name.to_owned(), level);
            if let Some(item) = self.graph.items.last_mut() {
                item.count = 0;
            }
        }
        if let Some(item) = self.graph.items.get_mut(item) {
            item.count += 1;
        }
        let critical = self.is_critical(node);
        self.touch(item, node, critical);
        Drawn { item, way: Way::Straight }
    }

    fn push(&mut self, kind: Kind, label: String, level: usize) -> usize {
        let item = Item { kind, label, level, bound: 0.0, critical: false, count: 1 };
        self.graph.items.push(item);
        self.graph.items.len() - 1
    }

    fn item(&mut self, node: NodeId, op: &Op, kind: Kind) -> Drawn {
        let label = if kind == Kind::Product { "×" } else { "+" };
        let item = self.push(kind, label.to_owned(), self.subject.level(node));
        let critical = self.is_critical(node);
        self.touch(item, node, critical);
        for operand in op.operands() {
            self.edge(operand, item);
        }
        Drawn { item, way: Way::Straight }
    }

    fn edge(&mut self, operand: NodeId, to: usize) {
        let Some(Drawn { item: from, way }) = self.at(operand) else { return };
        let critical =
            self.is_critical(operand) && self.graph.items.get(to).is_some_and(|item| item.critical);
        let next = self.graph.edges.len();
        let edge = *self.edges.entry((from, to, way)).or_insert(next);
        if edge == next {
            self.graph.edges.push(Edge { from, to, way, critical, count: 0 });
        }
        if let Some(edge) = self.graph.edges.get_mut(edge) {
            edge.critical |= critical;
            edge.count += 1;
        }
    }

    fn sums(&mut self) {
        let release = self.subject.plan.release.map_or(0, |release| usize::from(release.level.0));
        for (index, sum) in self.subject.plan.sums.iter().enumerate() {
            let label = self.subject.sums.get(index).cloned().unwrap_or_default();
            let item = self.push(Kind::Sum, label, release);
            let bound = self.subject.certificate.sums.get(index).map_or(0.0, |sum| sum.flooded_bits);
            if let Some(item) = self.graph.items.get_mut(item) {
                item.bound = bound;
                item.critical = index == self.subject.path.sum.index();
            }
            let down = self.subject.level(sum.node) > release;
            if let Some(Some(drawn)) = self.drawn.get_mut(sum.node.index())
                && down
            {
                drawn.way = Way::Switched;
            }
            self.edge(sum.node, item);
        }
    }
}
