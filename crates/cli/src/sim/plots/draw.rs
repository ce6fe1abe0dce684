//! Lines and bands as SVG.

use super::band::Band;
use crate::failure::Failure;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const SIZE: (u32, u32) = (800, 420);
/// Told apart by those who do not see all colours, too (Okabe and Ito).
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115), RGBColor(204, 121, 167)];

/// How values lie along the horizontal axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Evenly, from 0.
    Linear,
    /// Each tenfold takes the same room.
    Logarithmic,
}

/// What is to be drawn.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) title: &'static str,
    /// What is along the axis, with its unit.
    pub(super) x: &'static str,
    /// What is upwards, from 0.
    pub(super) y: &'static str,
    pub(super) scale: Scale,
    /// Each with its name, which is shown if there are several.
    pub(super) bands: Vec<(String, Band)>,
}

impl Picture {
    /// As an SVG document; `None` if there is no point in it.
    pub(super) fn svg(&self) -> Result<Option<String>, Failure> {
        let points = || self.bands.iter().flat_map(|(_, band)| band.points());
        if points().next().is_none() {
            return Ok(None);
        }
        let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let least = points().map(|(x, _)| x).fold(f64::INFINITY, f64::min);
        let right = most(&mut points().map(|(x, _)| x));
        let top = most(&mut points().map(|(_, y)| y)).max(1e-3) * 1.05;
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
            let drawn = match self.scale {
                Scale::Linear => self.draw(&area, 0.0..right.max(1e-3), top),
                Scale::Logarithmic => {
                    let left = least.max(1e-3) * 0.8;
                    self.draw(&area, (left..right.max(left) * 1.25).log_scale(), top)
                }
            };
            drawn.map_err(|error| Failure::because(format!("{}: cannot be drawn: {error}", self.title)))?;
        }
        Ok(Some(text))
    }

    fn draw<X>(&self, area: &Area<'_>, x: X, top: f64) -> Result<(), Box<dyn std::error::Error>>
    where
        X: AsRangedCoord<Value = f64>,
        X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        area.fill(&WHITE)?;
        let body = self.draw_head(area)?;
        let mut chart = ChartBuilder::on(&body)
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x, 0.0..top)?;
        chart
            .configure_mesh()
            .max_light_lines(0)
            .bold_line_style(BLACK.mix(0.12))
            .axis_style(BLACK.mix(0.5))
            .label_style(("sans-serif", 13))
            .x_desc(self.x)
            .y_desc(self.y)
            .x_label_formatter(&|value| label(*value))
            .y_label_formatter(&|value| label(*value))
            .draw()?;
        for ((_, band), colour) in self.bands.iter().zip(COLOURS.into_iter().cycle()) {
            let above = band.around.iter().map(|&(x, _, high)| (x, high));
            let below = band.around.iter().rev().map(|&(x, low, _)| (x, low));
            let outline: Vec<_> = above.chain(below).collect();
            if !outline.is_empty() {
                chart.draw_series([Polygon::new(outline, colour.mix(0.2))])?;
            }
            chart.draw_series(LineSeries::new(band.middle.iter().copied(), colour.stroke_width(2)))?;
        }
        area.present()?;
        Ok(())
    }

    /// The title, and below it what each colour is; gives back the room that is left.
    fn draw_head<'a>(&self, area: &Area<'a>) -> Result<Area<'a>, Box<dyn std::error::Error>> {
        let names: Vec<_> = if self.bands.len() > 1 { self.bands.iter().collect() } else { Vec::new() };
        let rows = names.len().div_ceil(2);
        let (head, body) = area.split_vertically(44 + 20 * u32::try_from(rows)?);
        head.draw(&Text::new(self.title, (64, 16), ("sans-serif", 20)))?;
        for (place, ((name, _), colour)) in (0_i32..).zip(names.into_iter().zip(COLOURS.into_iter().cycle()))
        {
            let (x, y) = (64 + 360 * (place % 2), 46 + 20 * (place / 2));
            head.draw(&PathElement::new([(x, y + 6), (x + 24, y + 6)], colour.stroke_width(3)))?;
            head.draw(&Text::new(name.as_str(), (x + 32, y), ("sans-serif", 13)))?;
        }
        Ok(body)
    }
}

/// With no more digits than a reader needs.
fn label(value: f64) -> String {
    let shown = match value.abs() {
        size if size >= 10.0 || size == 0.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    };
    match shown.contains('.') {
        true => shown.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(scale: Scale, bands: Vec<(String, Band)>) -> Picture {
        Picture { title: "Title", x: "milliseconds", y: "%", scale, bands }
    }

    #[test]
    fn nothing_is_not_drawn() {
        assert_eq!(picture(Scale::Linear, vec![("a".to_owned(), Band::default())]).svg().unwrap(), None);
    }

    #[test]
    fn a_line_is_drawn_on_either_scale() {
        for scale in [Scale::Linear, Scale::Logarithmic] {
            let band = || Band::line(vec![(0.0, 0.0), (1.0, 50.0), (1000.0, 100.0)]);
            let bands = vec![("before & after".to_owned(), band()), ("b".to_owned(), band())];
            let svg = picture(scale, bands).svg().unwrap().unwrap();
            assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
            assert!(svg.contains("milliseconds") && svg.contains("before &amp; after"), "{svg}");
            for colour in ["#0072B2", "#D55E00"] {
                assert_eq!(svg.matches(colour).count(), 2, "in the head and as a line: {svg}");
            }
        }
    }

    #[test]
    fn labels_are_short() {
        assert_eq!([0.0, 0.25, 2.5, 20.0, 1000.0].map(label), ["0", "0.25", "2.5", "20", "1000"]);
    }
}
