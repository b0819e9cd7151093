//! A chart with axes, and the colors of all plots.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::axis::Axis;

/// SVG text.
pub(in super::super) type Plotted = Result<String, Box<dyn std::error::Error>>;
pub(super) type Drawn = Result<(), Box<dyn std::error::Error>>;
pub(super) type Area<'s> = DrawingArea<SVGBackend<'s>, Shift>;
pub(super) type Chart<'c, 's> = ChartContext<'c, SVGBackend<'s>, Cartesian2d<Axis, Axis>>;

pub(super) const SIZE: (u32, u32) = (900, 340);
pub(super) const BLUE: RGBColor = RGBColor(31, 98, 163);
pub(super) const RED: RGBColor = RGBColor(184, 50, 42);
pub(super) const BLACK: RGBColor = RGBColor(20, 28, 38);
pub(super) const GRAY: RGBColor = RGBColor(90, 98, 108);

/// The width of a legend or of a color bar.
pub(super) const SIDE: u32 = 120;

/// The names of the axes.
#[derive(Clone, Copy)]
pub(in super::super) struct Axes<'a> {
    pub(in super::super) x: &'a str,
    pub(in super::super) y: &'a str,
}

/// Colors from blue over teal, yellow and orange to red.
const SHADES: [[f64; 3]; 5] = [
    [38.0, 84.0, 156.0],
    [58.0, 158.0, 160.0],
    [228.0, 196.0, 80.0],
    [222.0, 122.0, 56.0],
    [178.0, 44.0, 40.0],
];

/// A color from blue for 0 to red for 1, as red, green and blue from 0 to 255.
pub(in super::super) fn shade(part: f64) -> [f64; 3] {
    let at = part.clamp(0.0, 1.0) * (SHADES.len() - 1) as f64;
    let k = (at as usize).min(SHADES.len() - 2);
    let rest = at - k as f64;
    std::array::from_fn(|c| SHADES[k][c] + rest * (SHADES[k + 1][c] - SHADES[k][c]))
}

/// The same for the library of plots.
pub(super) fn blue_to_red(part: f64) -> RGBColor {
    let [r, g, b] = shade(part).map(|x| x.round() as u8);
    RGBColor(r, g, b)
}

/// A color from white for 0 to dark blue for 1.
pub(super) fn white_to_blue(part: f64) -> RGBColor {
    let part = part.clamp(0.0, 1.0);
    let [r, g, b] = [20.0, 66.0, 120.0].map(|x: f64| (255.0 + part * (x - 255.0)).round() as u8);
    RGBColor(r, g, b)
}

/// A picture of a size.
pub(super) fn picture(size: (u32, u32), draw: impl FnOnce(&Area) -> Drawn) -> Plotted {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw(&root)?;
        root.present()?;
    }
    // Defaults, which are a third of the text of a cell.
    Ok(svg.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", ""))
}

/// A chart with axes and a grid in an area, and a title if there is one.
pub(super) fn chart(
    area: &Area,
    axes: Axes,
    (x, y): (Axis, Axis),
    title: &str,
    draw: impl FnOnce(&mut Chart) -> Drawn,
) -> Drawn {
    let mut builder = ChartBuilder::on(area);
    builder
        .margin(10)
        .margin_right(18)
        .x_label_area_size(if axes.x.is_empty() { 22 } else { 46 })
        .y_label_area_size(78);
    if !title.is_empty() {
        builder.caption(title, ("sans-serif", 16).into_font().color(&GRAY));
    }
    let mut chart = builder.build_cartesian_2d(x, y)?;
    let narrow = area.dim_in_pixel().0 < 400;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRAY.mix(0.18))
        .axis_style(GRAY)
        .x_labels(if narrow { 5 } else { 10 })
        .y_labels(if area.dim_in_pixel().1 < 180 { 3 } else { 8 })
        .x_desc(axes.x)
        .y_desc(axes.y)
        .axis_desc_style(("sans-serif", 16))
        .label_style(("sans-serif", 14).into_font().color(&GRAY))
        .draw()?;
    draw(&mut chart)
}

/// A picture of one chart, with a list of names and their colors beside it if there is more than
/// one.
pub(super) fn plot(
    axes: Axes,
    (x, y): (Axis, Axis),
    names: &[(String, RGBColor)],
    draw: impl FnOnce(&mut Chart) -> Drawn,
) -> Plotted {
    picture(SIZE, |root| {
        if names.len() < 2 {
            return chart(root, axes, (x, y), "", draw);
        }
        let (left, right) = root.split_horizontally(SIZE.0 - SIDE);
        chart(&left, axes, (x, y), "", draw)?;
        let style = ("sans-serif", 14).into_font().color(&GRAY);
        for (k, (name, color)) in names.iter().enumerate() {
            let y = 22 + 22 * k as i32;
            right.draw(&PathElement::new([(0, y), (20, y)], color.stroke_width(3)))?;
            right.draw(&Text::new(name.clone(), (27, y - 7), style.clone()))?;
        }
        Ok(())
    })
}
