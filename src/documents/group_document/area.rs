//! Geographic areas of a group (`areaType`, TS 24.481 7.2.4.2).

use super::read::Result;
use crate::documents::xml::{Element, Ns, Out, Xml};
use crate::documents::xsd;
use crate::model::{Area, Point, Shape};

/// Corners of a polygon.
const CORNERS: std::ops::RangeInclusive<usize> = 3..=15;

/// The largest coordinate: 24 bits.
const LARGEST_COORDINATE: u32 = 0xff_ffff;

/// The shapes of an area just opened, read to its end. `None` if it holds anything but the shapes of the schema: who
/// wrote the rest again without it would make another area.
pub(super) fn read(xml: &mut Xml<'_>) -> Result<Option<Area>> {
    let (mut area, mut whole) = (Area::new(), true);
    while let Some(element) = xml.child()? {
        match (element.ns, element.name) {
            (Ns::GroupInfo, "PolygonArea") => match polygon(xml)? {
                Some(shape) => area.push(shape),
                None => whole = false,
            },
            (Ns::GroupInfo, "EllipsoidArcArea") => match arc(xml)? {
                Some(shape) => area.push(shape),
                None => whole = false,
            },
            _ => {
                whole = false;
                xml.skip()?;
            }
        }
    }
    if whole && area.is_empty() {
        return Err(xml.fault_in("area", "element missing"));
    }
    Ok(whole.then_some(area))
}

fn polygon(xml: &mut Xml<'_>) -> Result<Option<Shape>> {
    let (mut corners, mut whole) = (Vec::new(), true);
    while let Some(element) = xml.child()? {
        if !element.is(Ns::GroupInfo, "Corner") {
            whole = false;
            xml.skip()?;
            continue;
        }
        corners.push(point(xml)?);
        if corners.len() > *CORNERS.end() {
            return Err(xml.fault_in("PolygonArea", "more than 15 corners"));
        }
    }
    if corners.len() < *CORNERS.start() {
        return Err(xml.fault_in("PolygonArea", "fewer than 3 corners"));
    }
    Ok(whole.then_some(Shape::Polygon(corners)))
}

fn arc(xml: &mut Xml<'_>) -> Result<Option<Shape>> {
    let (mut center, mut radius, mut offset_angle, mut included_angle) = (None, None, None, None);
    let mut whole = true;
    while let Some(element) = xml.child()? {
        let again = match (element.ns, element.name) {
            (Ns::GroupInfo, "Center") => center.replace(point(xml)?).is_some(),
            (Ns::GroupInfo, "Radius") => radius.replace(xml.value("Radius", xsd::number)?).is_some(),
            (Ns::GroupInfo, "OffsetAngle") => {
                offset_angle.replace(xml.value("OffsetAngle", xsd::number)?).is_some()
            }
            (Ns::GroupInfo, "IncludedAngle") => {
                included_angle.replace(xml.value("IncludedAngle", xsd::number)?).is_some()
            }
            _ => {
                whole = false;
                xml.skip()?;
                false
            }
        };
        if again {
            return Err(twice(xml, &element));
        }
    }
    let (Some(center), Some(radius), Some(offset_angle), Some(included_angle)) =
        (center, radius, offset_angle, included_angle)
    else {
        return Err(xml.fault_in("EllipsoidArcArea", "element missing"));
    };
    Ok(whole.then_some(Shape::Arc { center, radius, offset_angle, included_angle }))
}

fn point(xml: &mut Xml<'_>) -> Result<Point> {
    let coordinate = |text: &str| xsd::number(text).filter(|number| *number <= LARGEST_COORDINATE);
    let (mut longitude, mut latitude) = (None, None);
    while let Some(element) = xml.child()? {
        let slot = match (element.ns, element.name) {
            (Ns::GroupInfo, "Longitude") => &mut longitude,
            (Ns::GroupInfo, "Latitude") => &mut latitude,
            _ => {
                xml.skip()?;
                continue;
            }
        };
        if slot.replace(xml.value(element.name, coordinate)?).is_some() {
            return Err(twice(xml, &element));
        }
    }
    match (longitude, latitude) {
        (Some(longitude), Some(latitude)) => Ok(Point { longitude, latitude }),
        _ => Err(xml.fault_in("point", "element missing")),
    }
}

fn twice(xml: &Xml<'_>, element: &Element<'_>) -> crate::documents::DocumentError {
    xml.fault_in(element.name, super::read::TWICE)
}

/// Writes an area as the element `name`.
pub(super) fn write(out: &mut Out, name: &str, area: &Area) {
    out.element(("mcpttgi:", name), &[], |out| {
        for shape in area {
            match shape {
                Shape::Polygon(corners) => out.element(("mcpttgi:", "PolygonArea"), &[], |out| {
                    corners.iter().for_each(|corner| write_point(out, "Corner", corner));
                }),
                Shape::Arc { center, radius, offset_angle, included_angle } => {
                    out.element(("mcpttgi:", "EllipsoidArcArea"), &[], |out| {
                        write_point(out, "Center", center);
                        for (name, number) in [
                            ("Radius", *radius),
                            ("OffsetAngle", u32::from(*offset_angle)),
                            ("IncludedAngle", u32::from(*included_angle)),
                        ] {
                            out.leaf(("mcpttgi:", name), &[], &number.to_string());
                        }
                    });
                }
            }
        }
    });
}

fn write_point(out: &mut Out, name: &str, point: &Point) {
    out.element(("mcpttgi:", name), &[], |out| {
        out.leaf(("mcpttgi:", "Longitude"), &[], &point.longitude.to_string());
        out.leaf(("mcpttgi:", "Latitude"), &[], &point.latitude.to_string());
    });
}
