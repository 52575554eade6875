//! Geometry of the histogram, in units of its own view box. Plain numbers: the template draws them.

use super::inactivity::{Bin, Limit};

const LEFT: f64 = 44.0;
const TOP: f64 = 64.0;
const HEIGHT: f64 = 190.0;
const SLOT: f64 = 62.0;
const BAR: f64 = 44.0;
/// Width of a slot for a bar apart: its label is a word.
const WIDE: f64 = 84.0;
/// Between the bins of days and the bars apart.
const GAP: f64 = 34.0;
/// Height of one line of threshold labels.
const LINE: f64 = 18.0;

/// One bar with its texts.
#[derive(Clone, Debug, PartialEq)]
pub struct ChartBar {
    /// Left edge.
    pub x: f64,
    /// Middle, where its texts stand.
    pub middle: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// Height of the lower part that is stale.
    pub stale_height: f64,
    /// Upper edge of the stale part.
    pub stale_y: f64,
    /// Whether it is one of the bars apart.
    pub apart: bool,
    /// What was counted.
    pub bin: Bin,
}

/// A threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Where it stands.
    pub x: f64,
    /// Upper end of its line.
    pub y: f64,
    /// Base line of its text.
    pub text_y: f64,
    /// Its text.
    pub words: String,
}

/// A line of the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Height.
    pub y: f64,
    /// Accounts.
    pub value: u64,
}

/// The picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// Width of the view box.
    pub width: f64,
    /// Height of the view box.
    pub height: f64,
    /// Left edge of the plot.
    pub left: f64,
    /// Right edge of the plot.
    pub right: f64,
    /// Base line of the bars.
    pub base: f64,
    /// Left edge of the bars apart.
    pub apart_x: f64,
    /// Lines of the grid.
    pub grid: Vec<Grid>,
    /// Bars.
    pub bars: Vec<ChartBar>,
    /// Thresholds.
    pub marks: Vec<Mark>,
}

impl Chart {
    #[expect(clippy::cast_precision_loss, reason = "places on a page")]
    pub(super) fn of(bins: &[Bin], apart: &[Bin; 3], limits: &[Limit]) -> Self {
        let highest = bins.iter().chain(apart).map(|bin| bin.total).max().unwrap_or(0);
        let scale = Scale::of(highest);
        let apart_x = LEFT + SLOT * bins.len() as f64 + GAP;
        let of_days = bins.iter().enumerate().map(|(at, bin)| scale.bar(LEFT + SLOT * at as f64, bin, false));
        let others = apart.iter().enumerate().map(|(at, bin)| scale.bar(apart_x + WIDE * at as f64, bin, true));
        let right = apart_x + WIDE * 3.0;
        Self {
            width: right + 4.0,
            height: TOP + HEIGHT + 52.0,
            left: LEFT,
            right,
            base: TOP + HEIGHT,
            apart_x,
            grid: scale.grid(),
            bars: of_days.chain(others).collect(),
            marks: limits.iter().enumerate().map(|(at, limit)| mark(at, limit)).collect(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "places on a page")]
fn mark(at: usize, limit: &Limit) -> Mark {
    let y = 8.0 + LINE * at as f64;
    Mark { x: LEFT + SLOT * limit.bin as f64, y, text_y: y + 10.0, words: limit.words.clone() }
}

/// Accounts to heights: the axis ends at a round number.
struct Scale {
    step: u64,
    top: u64,
}

impl Scale {
    fn of(highest: u64) -> Self {
        let step = round_step(highest.div_ceil(4));
        Self { step, top: step * highest.div_ceil(step).max(1) }
    }

    #[expect(clippy::cast_precision_loss, reason = "places on a page")]
    fn height(&self, count: u64) -> f64 {
        let exact = HEIGHT * count as f64 / self.top as f64;
        // What exists is seen, however little it is.
        if count > 0 { exact.max(1.5) } else { 0.0 }
    }

    fn bar(&self, slot: f64, bin: &Bin, apart: bool) -> ChartBar {
        let (height, stale_height) = (self.height(bin.total), self.height(bin.stale));
        let x = slot + (if apart { WIDE } else { SLOT } - BAR) / 2.0;
        ChartBar {
            x,
            middle: x + BAR / 2.0,
            y: TOP + HEIGHT - height,
            width: BAR,
            height,
            stale_height,
            stale_y: TOP + HEIGHT - stale_height,
            apart,
            bin: bin.clone(),
        }
    }

    fn grid(&self) -> Vec<Grid> {
        (1..=self.top / self.step)
            .map(|n| Grid { y: TOP + HEIGHT - self.height(n * self.step), value: n * self.step })
            .collect()
    }
}

/// The next of 1, 2, 5, 10, 20, 50, …
fn round_step(at_least: u64) -> u64 {
    let mut ten = 1;
    loop {
        if let Some(step) = [ten, 2 * ten, 5 * ten].into_iter().find(|step| *step >= at_least) {
            return step;
        }
        ten *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_the_axis_covers_the_highest_bar() {
        assert_eq!([1, 3, 6, 11, 251].map(round_step), [1, 5, 10, 20, 500]);
        for highest in [0, 1, 4, 5, 99, 100_000] {
            let scale = Scale::of(highest);
            assert!(scale.top >= highest && scale.grid().len() <= 5, "{highest}");
        }
    }
}
