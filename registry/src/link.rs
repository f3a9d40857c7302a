//! `Link`: where a list goes on (RFC 8288, section 3).
//!
//! `<https://h/v2/a/tags/list?last=x>; rel="next", <…>; rel="first"`. What cannot be understood is passed over: a
//! header that says nothing is a list that ends.

/// The target of the first link to the `next` page, as it is written.
pub(crate) fn next(header: &str) -> Option<&str> {
    let mut rest = header;
    loop {
        let (link, after) = link(rest)?;
        if link.is_next {
            return Some(link.target);
        }
        rest = after;
    }
}

struct Link<'a> {
    target: &'a str,
    is_next: bool,
}

/// The first link, and what comes behind it.
fn link(text: &str) -> Option<(Link<'_>, &str)> {
    let text = text.trim_start_matches([' ', '\t', ',']).strip_prefix('<')?;
    let (target, mut rest) = text.split_once('>')?;
    let mut rel = None;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        match rest.strip_prefix(';') {
            Some(behind) => {
                let (name, value, after) = parameter(behind.trim_start_matches([' ', '\t']));
                rest = after;
                // Only the first `rel` counts (section 3.3).
                if name.eq_ignore_ascii_case("rel") && rel.is_none() {
                    rel = Some(value.split(' ').any(|one| one.eq_ignore_ascii_case("next")));
                }
            }
            None => {
                // What is left of a link that cannot be read ends with the next comma.
                let after = rest.find(',').map_or("", |comma| &rest[comma..]);
                return Some((Link { target, is_next: rel == Some(true) }, after));
            }
        }
    }
}

/// Name and value of a parameter, and what comes behind it. A value with an escaped quote in it is no relation that we
/// look for, so it is left as it is.
fn parameter(text: &str) -> (&str, &str, &str) {
    let end = text.find(['=', ';', ',', ' ', '\t']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let Some(value) = rest.trim_start_matches([' ', '\t']).strip_prefix('=') else {
        return (name, "", rest);
    };
    let value = value.trim_start_matches([' ', '\t']);
    let Some(quoted) = value.strip_prefix('"') else {
        let end = value.find([';', ',', ' ', '\t']).unwrap_or(value.len());
        let (value, rest) = value.split_at(end);
        return (name, value, rest);
    };
    let mut is_escaped = false;
    for (at, letter) in quoted.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return (name, &quoted[..at], &quoted[at + 1..]),
            _ => {}
        }
    }
    (name, quoted, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_next_page_is_found() {
        for (header, expected) in [
            (r#"</v2/a/tags/list?last=b&n=2>; rel="next""#, Some("/v2/a/tags/list?last=b&n=2")),
            ("<x>;rel=next", Some("x")),
            (r#"<x> ; title="a, <b>; rel=\"next\"" ; REL = "Prev NEXT""#, Some("x")),
            (r#"<x>; rel="prev", <y>; rel="next""#, Some("y")),
            (r#"<a,b;c>; rel="first",<y,z>; rel=next"#, Some("y,z")),
            (r#"<x>; rel="prev"; rel="next""#, None),
            (r#"<x>; rel="nextish""#, None),
            ("<x> rel=next, <y>; rel=next", Some("y")),
            ("<>; rel=next", Some("")),
            ("<x; rel=next", None),
            ("x; rel=next", None),
            (r#"<x>; rel="next"#, Some("x")),
            ("<x>", None),
            ("", None),
        ] {
            assert_eq!(next(header), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_always_ends(header in any::<String>()) {
            let _ = next(&header);
        }

        #[test]
        fn nor_with_what_looks_like_links(header in r#"[<>;,= \\"relnxta]{0,60}"#) {
            let _ = next(&header);
        }

        #[test]
        fn a_link_among_others_is_found(
            target in "[a-z/?&=,;]{0,30}",
            others in prop::collection::vec((r"[a-z/,;]{0,10}", r"(first|last|prev)"), 0..4),
            value in r"[a-z,;<> ]{0,20}",
        ) {
            let mut links: Vec<String> =
                others.iter().map(|(target, rel)| format!("<{target}>; rel=\"{rel}\"")).collect();
            links.push(format!("<{target}>; title=\"{value}\"; rel=\"next\""));
            let header = links.join(", ");
            prop_assert_eq!(next(&header), Some(target.as_str()));
        }
    }
}
