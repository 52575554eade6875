//! The geometry of the histogram, in units of its SVG view box. The template draws it. Pure.

/// Left edge of the plot, after the numbers of the axis.
const LEFT: f64 = 44.0;
/// Upper edge of the plot, below two lines of threshold labels.
const TOP: f64 = 64.0;
/// Height of the plot.
const HEIGHT: f64 = 190.0;
/// Width of a bin of days with its margin.
const SLOT: f64 = 62.0;
/// Width of a bar.
const BAR: f64 = 44.0;
/// Width of a bin without days with its margin. It is wider, because its label is a word.
const WIDE: f64 = 84.0;
/// Space between the bins of days and the others.
const GAP: f64 = 34.0;
/// Height of the smallest bar, so that a single account stays visible.
const MIN_HEIGHT: f64 = 1.5;
/// Height of a line of threshold labels.
const LINE: f64 = 18.0;

/// A bin of the histogram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bin {
    /// Days or reason: `45–59`, `365+`, `never`.
    pub label: String,
    /// Number of accounts.
    pub total: u64,
    /// Number of accounts with a `stale-login` finding.
    pub stale: u64,
}

impl Bin {
    pub(super) fn named(label: &str) -> Self {
        Self { label: label.to_owned(), total: 0, stale: 0 }
    }

    pub(super) fn add(&mut self, stale: bool) {
        self.total += 1;
        self.stale += u64::from(stale);
    }
}

/// A threshold between two bins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// Number of days from which an account is inactive.
    pub(super) days: u64,
    /// Text at the line: days and the accounts that the threshold applies to.
    pub(super) words: String,
    /// Index of the bin to the right of the line.
    pub(super) bin: usize,
}

/// A bar with its texts.
#[derive(Clone, Debug, PartialEq)]
pub struct ChartBar {
    /// Left edge of the bar.
    pub x: f64,
    /// Middle, for the position of its texts.
    pub middle: f64,
    /// Upper edge of the bar.
    pub y: f64,
    /// Width of the bar.
    pub width: f64,
    /// Height of the bar.
    pub height: f64,
    /// Height of the lower part: inactive accounts.
    pub stale_height: f64,
    /// Upper edge of the lower part.
    pub stale_y: f64,
    /// Whether the bin has no days: never, not reported, unreadable.
    pub apart: bool,
    /// The bin with its numbers.
    pub bin: Bin,
}

/// The line of a threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Horizontal position of the line.
    pub x: f64,
    /// Upper end of the line.
    pub y: f64,
    /// Baseline of the text.
    pub text_y: f64,
    /// Text at the line.
    pub words: String,
}

/// A horizontal line of the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Vertical position of the line.
    pub y: f64,
    /// Number of accounts at this height.
    pub value: u64,
}

/// The whole picture.
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
    /// Lower edge of the bars.
    pub base: f64,
    /// Left edge of the bins without days.
    pub apart_x: f64,
    /// Horizontal lines, from bottom to top.
    pub grid: Vec<Grid>,
    /// All bars, from left to right.
    pub bars: Vec<ChartBar>,
    /// Lines of the thresholds.
    pub marks: Vec<Mark>,
}

impl Chart {
    #[expect(clippy::cast_precision_loss, reason = "coordinates on a page need no 53 bits")]
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

#[expect(clippy::cast_precision_loss, reason = "coordinates on a page need no 53 bits")]
fn mark(at: usize, limit: &Limit) -> Mark {
    let y = 8.0 + LINE * at as f64;
    Mark { x: LEFT + SLOT * limit.bin as f64, y, text_y: y + 10.0, words: limit.words.clone() }
}

/// The scale from accounts to heights. The axis ends at a round number.
struct Scale {
    step: u64,
    top: u64,
}

impl Scale {
    fn of(highest: u64) -> Self {
        let step = round_step(highest.div_ceil(4));
        Self { step, top: step * highest.div_ceil(step).max(1) }
    }

    #[expect(clippy::cast_precision_loss, reason = "coordinates on a page need no 53 bits")]
    fn height(&self, count: u64) -> f64 {
        let exact = HEIGHT * count as f64 / self.top as f64;
        if count > 0 { exact.max(MIN_HEIGHT) } else { 0.0 }
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

/// Returns the smallest of 1, 2, 5, 10, 20, 50, … that is at least this number.
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
