//! Plans that are written here, drawn.
#![expect(clippy::unwrap_used, reason = "plans are written here")]

use super::collect::{Edge, Graph, Item, Kind, Way};
use super::{layers, summary};

fn item(kind: Kind, level: usize) -> Item {
    Item { kind, label: "x".to_owned(), level, bound: 1.0, critical: false, count: 1 }
}

fn edge(from: usize, to: usize) -> Edge {
    Edge { from, to, way: Way::Straight, critical: false, count: 1 }
}

/// Two columns, `products` products of both, and a sum of each.
fn graph(products: usize) -> Graph {
    let mut graph = Graph { items: vec![item(Kind::Column, 2), item(Kind::Column, 2)], edges: Vec::new() };
    for _ in 0..products {
        let own = graph.items.len();
        graph.items.extend([item(Kind::Product, 2), item(Kind::Sum, 1)]);
        graph.edges.extend([edge(0, own), edge(1, own), edge(own, own + 1)]);
    }
    graph
}

#[test]
fn nothing_overlaps() {
    let graph = graph(9);
    let layout = layers::layout(&graph);
    assert_eq!(layout.rows.len(), 3);
    for (index, (row, x)) in layout.items.iter().enumerate() {
        for (other, (other_row, other_x)) in layout.items.iter().enumerate().skip(index + 1) {
            let widths = [index, other].map(|at| layers::width(graph.items.get(at).unwrap()));
            let room = (widths[0] + widths[1]) / 2.0;
            assert!(row != other_row || (x - other_x).abs() >= room, "{index} {other}");
        }
    }
}

#[test]
fn alike_items_become_one_with_their_number() {
    let summary = summary::summarise(&graph(90), 60);
    let counts: Vec<(Kind, usize)> = summary.items.iter().map(|item| (item.kind, item.count)).collect();
    assert_eq!(counts, [(Kind::Column, 2), (Kind::Product, 90), (Kind::Sum, 90)]);
    assert_eq!(summary.edges.iter().map(|edge| edge.count).sum::<usize>(), 270);
}
