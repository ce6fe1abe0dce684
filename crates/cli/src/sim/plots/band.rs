//! A line with what lies around it.

/// The middle of many lines, and between which values they lie.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Band {
    /// The median at each place; the lower one of two.
    pub(super) middle: Vec<(f64, f64)>,
    /// The lowest and the highest at each place; empty for one line.
    pub(super) around: Vec<(f64, f64, f64)>,
}

impl Band {
    /// One line.
    pub(super) fn line(points: Vec<(f64, f64)>) -> Self {
        Self { middle: points, around: Vec::new() }
    }

    /// Of lines that have points at the same places, here and there none.
    pub(super) fn of(lines: impl Iterator<Item = impl Iterator<Item = Option<(f64, f64)>>>) -> Self {
        let mut places: Vec<(f64, Vec<f64>)> = Vec::new();
        let mut line_count = 0;
        for line in lines {
            line_count += 1;
            for (place, point) in line.enumerate() {
                if places.len() <= place {
                    places.push((0.0, Vec::new()));
                }
                if let (Some((x, y)), Some(values)) = (point, places.get_mut(place)) {
                    values.0 = x;
                    values.1.push(y);
                }
            }
        }
        let mut band = Self::default();
        for (x, mut values) in places {
            values.sort_by(f64::total_cmp);
            let middle = values.len().saturating_sub(1) / 2;
            let (Some(lowest), Some(median), Some(highest)) =
                (values.first(), values.get(middle), values.last())
            else {
                continue;
            };
            band.middle.push((x, *median));
            if line_count > 1 {
                band.around.push((x, *lowest, *highest));
            }
        }
        band
    }

    /// Every point that must be seen.
    pub(super) fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        let around = self.around.iter().flat_map(|&(x, low, high)| [(x, low), (x, high)]);
        self.middle.iter().copied().chain(around)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_a_band() {
        let lines =
            [[Some((1.0, 5.0)), None], [Some((1.0, 7.0)), Some((2.0, 3.0))], [Some((1.0, 6.0)), None]];
        let band = Band::of(lines.into_iter().map(IntoIterator::into_iter));
        assert_eq!(band.middle, [(1.0, 6.0), (2.0, 3.0)]);
        assert_eq!(band.around, [(1.0, 5.0, 7.0), (2.0, 3.0, 3.0)]);
    }

    #[test]
    fn one_line_has_nothing_around_it() {
        let band = Band::of([[Some((1.0, 5.0)), Some((2.0, 6.0))]].into_iter().map(IntoIterator::into_iter));
        assert_eq!(band, Band::line(vec![(1.0, 5.0), (2.0, 6.0)]));
    }
}
