//! Temperature sensors, by hwmon and, where there is none, the thermal zones.

use std::collections::BTreeSet;
use std::path::Path;

use super::Roots;
use super::roots::{names, number, text};
use super::sampler::Output;

/// Most sensors shown.
const SENSORS_MAX: usize = 256;

/// The temperature of every sensor, named `chip/label`, with `#2` for the second of that name.
pub(super) fn temperatures(roots: &Roots, known: &mut BTreeSet<String>, output: &mut Output) {
    let mut readings = hwmon(roots);
    if readings.is_empty() {
        readings = zones(roots);
    }
    let mut present = BTreeSet::new();
    for (name, millis) in readings.into_iter().take(SENSORS_MAX) {
        let mut key = name.clone();
        let mut count = 1;
        while present.contains(&key) {
            count += 1;
            key = format!("{name}#{count}");
        }
        #[allow(clippy::cast_precision_loss)]
        output.put_at("hw.temperature", &key, "", millis as f64 / 1000.0);
        present.insert(key);
    }
    output.retire("hw.temperature", known, present);
}

fn hwmon(roots: &Roots) -> Vec<(String, i64)> {
    let folder = roots.sys.join("class/hwmon");
    let mut readings = Vec::new();
    for chip in names(&folder) {
        let chip = folder.join(chip);
        let chip_name = text(&chip.join("name")).unwrap_or_else(|| "sensor".to_owned());
        for file in names(&chip) {
            let Some(input) = file.strip_suffix("_input").filter(|it| it.starts_with("temp"))
            else {
                continue;
            };
            let label = text(&chip.join(format!("{input}_label")));
            let label = label.filter(|it| !it.is_empty()).unwrap_or_else(|| input.to_owned());
            readings.extend(reading(&format!("{chip_name}/{label}"), &chip.join(&file)));
        }
    }
    readings
}

fn zones(roots: &Roots) -> Vec<(String, i64)> {
    let folder = roots.sys.join("class/thermal");
    let zones = names(&folder).into_iter().filter(|name| name.starts_with("thermal_zone"));
    let reading = |zone: String| {
        let zone = folder.join(zone);
        reading(&text(&zone.join("type"))?, &zone.join("temp"))
    };
    zones.filter_map(reading).collect()
}

fn reading(name: &str, file: &Path) -> Option<(String, i64)> {
    Some((name.to_owned(), number(file)?))
}
