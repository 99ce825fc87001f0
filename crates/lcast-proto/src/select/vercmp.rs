//! Comparing versions.

use std::cmp::Ordering;

/// Compares two versions: runs of digits as numbers, everything else byte by byte [SEL-41].
///
/// ```
/// use lcast_proto::select::vercmp;
/// use std::cmp::Ordering;
/// assert_eq!(vercmp("6.1.0-9", "6.1.0-28"), Ordering::Less);
/// assert_eq!(vercmp("1.01", "1.1"), Ordering::Equal);
/// ```
pub fn vercmp(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    loop {
        let (Some(a), Some(b)) = (left.first(), right.first()) else {
            return left.len().cmp(&right.len());
        };
        if a.is_ascii_digit() && b.is_ascii_digit() {
            let (number_a, rest_a) = split_number(left);
            let (number_b, rest_b) = split_number(right);
            let order = number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b));
            if order != Ordering::Equal {
                return order;
            }
            (left, right) = (rest_a, rest_b);
        } else if a == b {
            (left, right) = (&left[1..], &right[1..]);
        } else {
            return a.cmp(b);
        }
    }
}

/// The digits that the text begins with, without leading zeros, and what follows them.
fn split_number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    (&digits[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [SEL-41]
    #[test]
    fn versions_are_ordered_as_people_read_them() {
        let ordered = [
            "",
            "0",
            "1",
            "1.0",
            "1.0-1",
            "1.0-1-amd64",
            "1.0-10",
            "1.9",
            "1.10",
            "2",
            "10",
            "99999999999999999999998",
            "99999999999999999999999",
            "a",
            "a9",
            "a10",
            "b",
        ];
        for (index, left) in ordered.iter().enumerate() {
            for (place, right) in ordered.iter().enumerate() {
                assert_eq!(vercmp(left, right), index.cmp(&place), "{left} {right}");
            }
        }
        assert_eq!(vercmp("1.002", "1.2"), Ordering::Equal);
        assert_eq!(vercmp("000", "0"), Ordering::Equal);
    }
}
