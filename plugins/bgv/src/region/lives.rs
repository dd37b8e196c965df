//! Regions of steps, and when values come into being and are read last.

use std::collections::BTreeMap;

use crate::schedule::{Action, Mode, Schedule, View};

/// Where a value comes from and when it is read, by region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    /// Which step makes it.
    pub step: usize,
    /// First region in which it can be read slot by slot.
    pub born: usize,
    /// Last region that reads it.
    pub last: usize,
    /// Whether it stands as whole limbs.
    pub whole: bool,
    /// Whether a switch at the end of the region before `born` makes it.
    pub switched: bool,
}

/// What goes into a sum in one region: its number, a constant, and terms.
pub(super) type Piece = (usize, i64, Vec<(i64, View)>);

/// Where and when values and steps stand.
pub(super) struct Lives {
    mode: Mode,
    /// By node.
    pub values: Vec<Option<Life>>,
    /// By step.
    pub step_regions: Vec<usize>,
    /// How many there are.
    pub regions: usize,
}

impl Lives {
    /// Of a plan with `nodes` nodes.
    pub(super) fn new(schedule: &Schedule, nodes: usize) -> Self {
        let mut lives =
            Self { mode: schedule.mode, values: vec![None; nodes], step_regions: Vec::new(), regions: 1 };
        lives.place(schedule);
        lives.place_loads(schedule);
        let born = lives.values.iter().flatten().map(|life| life.born);
        lives.regions = lives.step_regions.iter().copied().chain(born).max().unwrap_or(0) + 1;
        lives.find_last(schedule);
        lives
    }

    /// A step belongs to the first region in which all that it reads is at hand; inputs always are.
    fn place(&mut self, schedule: &Schedule) {
        for (index, step) in schedule.steps.iter().enumerate() {
            let loaded = |life: &Life| matches!(schedule.steps[life.step].action, Action::Load { .. });
            let reads = step.action.reads();
            let lives = reads.iter().filter_map(|view| self.values[view.root]);
            let born = lives.filter(|life| !loaded(life)).map(|life| life.born).max().unwrap_or(0);
            let region = if self.mode == Mode::EveryNode { index } else { born };
            self.step_regions.push(region);
            if let Some(out) = step.out {
                let switched = matches!(step.action, Action::Switch { .. });
                self.values[out.root] = Some(Life {
                    step: index,
                    born: region + usize::from(switched),
                    last: region,
                    whole: switched || self.mode == Mode::EveryNode,
                    switched,
                });
            }
        }
    }

    /// An input is loaded in the first region that needs it for more than a sum.
    fn place_loads(&mut self, schedule: &Schedule) {
        if self.mode == Mode::EveryNode {
            return;
        }
        let mut first = vec![None; self.values.len()];
        for (step, &region) in schedule.steps.iter().zip(&self.step_regions) {
            if !matches!(step.action, Action::AddLinear { .. }) {
                for view in step.action.reads() {
                    let first = first[view.root].get_or_insert(region);
                    *first = region.min(*first);
                }
            }
        }
        for (index, step) in schedule.steps.iter().enumerate() {
            if let (Action::Load { .. }, Some(out)) = (&step.action, step.out)
                && let Some(life) = &mut self.values[out.root]
            {
                let region = first[out.root].unwrap_or(0);
                self.step_regions[index] = region;
                (life.born, life.last) = (region, region);
            }
        }
    }

    fn find_last(&mut self, schedule: &Schedule) {
        for (index, step) in schedule.steps.iter().enumerate() {
            let region = self.step_regions[index];
            let switch = matches!(step.action, Action::Switch { .. });
            let sum = matches!(step.action, Action::AddLinear { .. });
            for view in step.action.reads() {
                let region = if sum { self.term_region(region, view) } else { region };
                if let Some(life) = &mut self.values[view.root] {
                    life.last = life.last.max(region);
                    life.whole |= switch || region > life.born;
                }
            }
        }
    }

    /// A sum takes each of its terms where it comes into being.
    fn term_region(&self, region: usize, view: View) -> usize {
        match self.mode {
            Mode::EveryNode => region,
            Mode::Fast => self.values[view.root].map_or(region, |life| life.born),
        }
    }

    /// What goes into a sum, by region.
    pub(super) fn split(&self, region: usize, constant: i64, terms: &[(i64, View)]) -> Vec<Piece> {
        let mut split: BTreeMap<usize, Vec<(i64, View)>> = BTreeMap::new();
        for &(coefficient, view) in terms {
            split.entry(self.term_region(region, view)).or_default().push((coefficient, view));
        }
        if split.is_empty() {
            split.insert(region, Vec::new());
        }
        let pieces = split.into_iter().enumerate();
        pieces.map(|(i, (region, terms))| (region, if i == 0 { constant } else { 0 }, terms)).collect()
    }
}
