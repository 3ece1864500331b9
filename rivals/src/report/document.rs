//! BENCHMARKS.md: text written by hand, with parts in it that are made.
//!
//! A made part lies between a line `<!-- generated: NAME -->` and the next line `<!-- end
//! -->`; all around stays as it is.

/// What ends a part.
const END: &str = "<!-- end -->";

/// The text with `content` as its part `name`.
///
/// # Errors
///
/// If there is no such part, or no end to it.
pub fn replace(text: &str, name: &str, content: &str) -> Result<String, String> {
    let begin = format!("<!-- generated: {name} -->\n");
    let (before, rest) = text
        .split_once(&begin)
        .ok_or_else(|| format!("there is no line “{}”", begin.trim_end()))?;
    let old = rest.find(END).map(|end| &rest[..end]);
    let old = old.filter(|old| !old.contains("<!-- generated:"));
    let old = old.ok_or_else(|| format!("no line “{END}” ends the part {name}"))?;
    let after = &rest[old.len()..];
    Ok(format!("{before}{begin}\n{}\n\n{after}", content.trim_matches('\n')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Title\n\n<!-- generated: one -->\nold\n<!-- end -->\nby hand\n\
                        <!-- generated: two -->\n<!-- end -->\n";

    #[test]
    fn a_part_is_replaced_and_all_else_stays() {
        let once = replace(TEXT, "one", "new\n").expect("there is such a part");
        assert_eq!(once, TEXT.replace("old\n", "\nnew\n\n"));
        assert_eq!(replace(&once, "one", "new"), Ok(once.clone()));
        let indented = replace(TEXT, "one", "    code\n").expect("there is such a part");
        assert!(indented.contains("\n\n    code\n\n"), "{indented}");
        let both = replace(&once, "two", "second").expect("there is such a part");
        assert!(both.contains("<!-- generated: two -->\n\nsecond\n\n<!-- end -->\n"), "{both}");
    }

    #[test]
    fn a_part_that_is_missing_or_has_no_end_is_named() {
        assert!(replace(TEXT, "three", "").is_err_and(|e| e.contains("three")));
        let cut = TEXT.replacen("<!-- end -->\n", "", 1);
        assert!(replace(&cut, "one", "").is_err_and(|e| e.contains("one")));
    }
}
