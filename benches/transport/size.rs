//! Sizes as people write them: `64K`, `4M`, `1G`, powers of 1024.

const UNITS: [(&str, u64); 4] = [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10), ("", 1)];

/// Reads `64K`, `1M`, `1MiB`, `4096`.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_uppercase();
    let unit = unit.strip_suffix("IB").unwrap_or(&unit);
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| factor);
    factor
        .and_then(|factor| number.parse::<u64>().ok()?.checked_mul(*factor))
        .ok_or_else(|| format!("“{text}” is not a size; 64K, 4M and 1G are"))
}

/// Writes a size as short as it can be written exactly: `4 MiB`, `100 B`.
pub fn show(bytes: u64) -> String {
    let (unit, factor) = UNITS
        .into_iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor))
        .unwrap_or(("", 1));
    format!("{} {unit}{}", bytes / factor, if unit.is_empty() { "B" } else { "iB" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes, shown) in
            [("64K", 1 << 16, "64 KiB"), ("4MiB", 4 << 20, "4 MiB"), ("100", 100, "100 B")]
        {
            assert_eq!(parse(text), Ok(bytes));
            assert_eq!(show(bytes), shown);
        }
        for wrong in ["", "M", "1.5M", "4X", "-1", "99999999999G"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
