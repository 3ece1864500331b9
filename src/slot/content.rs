//! What a ring of slots says of the type in them.

use crate::{end::Settings, layout::identity::Content, ring::newest};
use bytemuck::Pod;

/// The size, the alignment and the name of `T`, as `settings` have it.
pub(super) fn of<T: Pod>(settings: &Settings) -> Content {
    const {
        assert!(size_of::<T>() > 0, "a value without bytes takes no slot");
        assert!(size_of::<T>() <= u32::MAX as usize, "too large for a slot");
        assert!(align_of::<T>() <= 4096, "a slot is aligned to a page at most");
    }
    let tag = settings.type_tag.clone();
    let name = tag.unwrap_or_else(|| without_modules(std::any::type_name::<T>()));
    Content::slots(size_of::<T>(), align_of::<T>(), &name)
}

/// `a::b::C<d::E>` as `C<E>`: two programs that each declare the type have it in different modules.
fn without_modules(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    // Where the path that is being copied began.
    let mut path = 0;
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        if character == ':' && characters.peek() == Some(&':') {
            characters.next();
            short.truncate(path);
            continue;
        }
        short.push(character);
        if !(character.is_alphanumeric() || matches!(character, '_' | '#')) {
            path = short.len();
        }
    }
    short
}

/// How many words of a copy beside the tail a value takes, or all if it is too large for one.
#[inline(always)]
pub(super) const fn words<T>() -> usize {
    let words = size_of::<T>().div_ceil(8);
    if words < newest::WORDS { words } else { newest::WORDS }
}

#[cfg(test)]
mod tests {
    use super::without_modules;

    #[test]
    fn modules_do_not_count() {
        for (full, short) in [
            ("u64", "u64"),
            ("sensor::frames::Frame", "Frame"),
            ("a::Wrapper<b::c::Inner>", "Wrapper<Inner>"),
            ("[a::b::C; 4]", "[C; 4]"),
            ("(a::B, c::D)", "(B, D)"),
            ("a::r#type::B_2", "B_2"),
        ] {
            assert_eq!(without_modules(full), short);
        }
    }
}
