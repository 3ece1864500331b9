//! Names in messages, quoted as GNU programs quote them: so that a shell would read the name back.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The name as it stands where a shell would take it for one word, else quoted.
pub fn quoted(name: &OsStr) -> String {
    let name = name.as_bytes();
    if is_plain(name) {
        String::from_utf8_lossy(name).into_owned()
    } else if name.contains(&b'\'')
        && name
            .utf8_chunks()
            .all(|c| c.invalid().is_empty() && may_stand_in_double_quotes(c.valid()))
    {
        format!("\"{}\"", String::from_utf8_lossy(name))
    } else {
        single_quoted(name)
    }
}

/// The same for a ring's name, in which `sysv:` and `id=` are nothing that a shell would not read.
pub fn quoted_ring(name: &OsStr) -> String {
    let Some(rest) = name.as_bytes().strip_prefix(b"sysv:") else { return quoted(name) };
    match is_plain(rest.strip_prefix(b"id=").unwrap_or(rest)) {
        true => name.to_string_lossy().into_owned(),
        false => quoted(name),
    }
}

fn is_plain(name: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(name) else {
        return false;
    };
    let special_alone = matches!(text, "" | "{" | "}");
    let special_at_start = text.starts_with(['#', '~']);
    let special_anywhere = |c: char| c.is_control() || " !\"$&'()*:;<=>?[\\^`|".contains(c);
    !(special_alone || special_at_start || text.contains(special_anywhere))
}

fn may_stand_in_double_quotes(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || "!\"$&()*;<=>[\\^`|".contains(c))
}

fn single_quoted(name: &[u8]) -> String {
    let mut out = Quoter::new();
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' => out.literal("'\\''"),
                c if c.is_control() => {
                    c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| out.escape(b))
                }
                c => out.literal(c.encode_utf8(&mut [0; 4])),
            }
        }
        chunk.invalid().iter().for_each(|&b| out.escape(b));
    }
    out.finish()
}

/// Switches between `'…'` and `$'…'`.
struct Quoter {
    text: String,
    escaping: bool,
}

impl Quoter {
    fn new() -> Self {
        Self { text: "'".into(), escaping: false }
    }

    fn literal(&mut self, text: &str) {
        if std::mem::take(&mut self.escaping) {
            self.text.push_str("''");
        }
        self.text.push_str(text);
    }

    fn escape(&mut self, byte: u8) {
        if !std::mem::replace(&mut self.escaping, true) {
            self.text.push_str("'$'");
        }
        match byte {
            0x07..=0x0d => self.text.extend(['\\', char::from(b"abtnvfr"[usize::from(byte - 7)])]),
            _ => self.text.push_str(&format!("\\{byte:03o}")),
        }
    }

    fn finish(mut self) -> String {
        self.text.push('\'');
        self.text
    }
}
