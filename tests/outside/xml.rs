//! XML as text: whether it is well formed, and what stands in it.

/// Checks that tags are balanced and nothing stands outside the root.
pub fn check(text: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text.trim();
    if let Some(after) = rest.strip_prefix("<?xml") {
        rest = after.split_once("?>").ok_or("no end of the declaration")?.1.trim_start();
    }
    let mut roots = 0;
    while let Some((before, after)) = rest.split_once('<') {
        if open.is_empty() && !before.trim().is_empty() {
            return Err(format!("text outside the root: {before:?}"));
        }
        if before.replace("&lt;", "").replace("&gt;", "").replace("&amp;", "").contains('&')
            && !before.contains("&quot;")
            && !before.contains("&apos;")
            && !before.contains("&#")
        {
            return Err(format!("a bare ampersand: {before:?}"));
        }
        let (tag, behind) = after.split_once('>').ok_or("a tag without end")?;
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes nothing"));
            }
            continue;
        }
        roots += usize::from(open.is_empty());
        if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap_or_default());
        }
    }
    if roots != 1 || !open.is_empty() || !rest.trim().is_empty() {
        return Err(format!("{roots} roots, open: {open:?}, left: {rest:?}"));
    }
    Ok(())
}

/// The text inside the first element of this local name, whatever wraps it.
pub fn text<'a>(document: &'a str, element: &str) -> Option<&'a str> {
    let mut inside = behind(document, element)?;
    while let Some(opened) = inside.trim_start().strip_prefix('<') {
        if opened.starts_with('/') {
            return None;
        }
        inside = opened.split_once('>')?.1;
    }
    Some(inside.split('<').next()?.trim())
}

/// The texts of all elements of this local name.
pub fn texts<'a>(document: &'a str, element: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut rest = document;
    while let Some(inside) = behind(rest, element) {
        found.push(inside.split('<').next().unwrap_or_default().trim());
        rest = inside;
    }
    found.retain(|text| !text.is_empty());
    found
}

/// The attributes of all elements of this local name, one list of `name="value"` each.
pub fn tags<'a>(document: &'a str, element: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut rest = document;
    while let Some((_, after)) = rest.split_once('<') {
        let tag = after.split('>').next().unwrap_or_default();
        let name = tag.split_whitespace().next().unwrap_or_default().trim_end_matches('/');
        if name.rsplit(':').next() == Some(element) && !name.starts_with('/') {
            found.push(tag);
        }
        rest = after;
    }
    found
}

/// An attribute of a tag.
pub fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split('"').next())
}

/// What stands behind the first start tag of this local name.
fn behind<'a>(document: &'a str, element: &str) -> Option<&'a str> {
    let mut rest = document;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (tag, inside) = after.split_once('>')?;
        let name = tag.split_whitespace().next().unwrap_or_default();
        if !tag.starts_with('/') && !tag.ends_with('/') && name.rsplit(':').next() == Some(element) {
            return Some(inside);
        }
        rest = after;
    }
}
