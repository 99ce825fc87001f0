//! Maps of which not all is shown: told once in the log, and by a variable for as long as it is so.

use super::sampler::Output;

/// Whether something was left out of one map.
#[derive(Debug, Default)]
pub(super) struct Limited {
    logged: bool,
    told: bool,
}

/// How much of a map there is, and what to say of it.
pub(super) struct Extent<'a> {
    /// The variable whose keys are limited.
    pub(super) map: &'a str,
    /// How many keys are shown.
    pub(super) shown: usize,
    /// How many there are.
    pub(super) all: usize,
    /// What can be done about it.
    pub(super) way_out: &'a str,
}

impl Limited {
    const TOLD_IN: &'static str = "librecast.variable";

    /// Tells when there are more than are shown: `librecast.variable["MAP"].error`.
    pub(super) fn tell(&mut self, extent: &Extent<'_>, output: &mut Output) {
        let Extent { map, shown, all, way_out } = extent;
        let is_cut = all > shown;
        if is_cut {
            let error = format!("only {shown} of {all} are shown: {way_out}");
            if !std::mem::replace(&mut self.logged, true) {
                tracing::warn!(variable = map, "{error}");
            }
            output.put_at(Self::TOLD_IN, map, "error", error.as_str());
        } else if self.told {
            output.remove(Self::TOLD_IN, map);
        }
        self.told = is_cut;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::Change;

    #[test]
    fn what_is_left_out_is_told_until_all_is_shown_again() {
        let mut limited = Limited::default();
        let mut tell = |all: usize| {
            let mut output = Output::default();
            let extent =
                Extent { map: "system.filesystem", shown: 2, all, way_out: "exclude some" };
            limited.tell(&extent, &mut output);
            output.into_changes()
        };
        assert_eq!(tell(2).len(), 0);
        for all in [3, 4] {
            let changes = tell(all);
            let [Change::Update(told)] = changes.as_slice() else { panic!("{changes:?}") };
            assert_eq!(told.name.to_string(), "librecast.variable[\"system.filesystem\"].error");
            let error = format!("only 2 of {all} are shown: exclude some");
            assert_eq!(told.value, error.as_str().into());
        }
        let changes = tell(2);
        assert!(matches!(changes.as_slice(), [Change::Remove(_)]), "{changes:?}");
        assert_eq!(tell(1).len(), 0);
    }
}
