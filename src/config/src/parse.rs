//! Values as administrators type them. Errors are sentences for `httpd -t`.

use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// `30`, `30s`, `500ms`, `2m`, `1h`: at least 1 ms, at most a week.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let wrong =
        || format!("'{text}' is not a time; write seconds, or a number with ms, s, m or h, such as 30s");
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "" | "s" => 1000,
        "ms" => 1,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    match number.checked_mul(millis).map(Duration::from_millis) {
        Some(time) if !time.is_zero() && time <= LONGEST => Ok(time),
        _ => Err(format!("'{text}' is out of range; times go from 1ms to 168h")),
    }
}

pub(crate) fn number(text: &str, least: u32, most: u32) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("'{text}' is not a whole number from {least} to {most}")),
    }
}

pub(crate) fn switch(text: &str) -> Result<bool, String> {
    if text.eq_ignore_ascii_case("on") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("off") {
        Ok(false)
    } else {
        Err(format!("'{text}' is neither On nor Off"))
    }
}

/// An absolute path: `text` itself or beneath `base`, without `.` and `..` and doubled slashes, as text alone.
pub(crate) fn path(base: &str, text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains('\0') {
        return Err("the path is empty".to_owned());
    }
    let whole = if text.starts_with('/') { text.to_owned() } else { format!("{base}/{text}") };
    let mut parts = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_bounds() {
        assert_eq!(duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "s", "-1", "1.5", "3d", "0", "0ms", "169h", "99999999999999999999", "1 s", "\u{e9}"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_become_absolute_and_plain() {
        assert_eq!(path("/srv/a", "app.py"), Ok("/srv/a/app.py".into()));
        assert_eq!(path("/srv/a/", "./x//../app.py"), Ok("/srv/a/app.py".into()));
        assert_eq!(path("/srv", "/etc/../x"), Ok("/x".into()));
        assert_eq!(path("/srv", "../../../x"), Ok("/x".into()));
        assert!(path("/srv", "").is_err());
    }
}
