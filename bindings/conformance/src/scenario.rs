//! The scenario as it is committed: what runners are given of it, and what is expected of them.

use anyhow::{Context, bail};

use crate::expect::{Expected, Rule};
use lcast_conformance::line::{escape, unescape};

/// The whole file.
#[derive(Debug, Default)]
pub(crate) struct Scenario {
    /// What answerers expose, in the order of the file.
    pub(crate) exposures: Vec<Exposure>,
    /// What askers do, in parts that each have a credential.
    pub(crate) sections: Vec<Section>,
    kinds: Vec<Kinds>,
}

/// A variable, a setting, or a key of the variable before it.
#[derive(Debug)]
pub(crate) struct Exposure {
    /// The line for runners.
    line: String,
    /// Its full name.
    name: String,
    /// What it is ordered by: the template, then the key.
    order: (String, String),
    /// What `=all` expects of it; none for settings, and for a variable whose values are keys.
    value: Option<String>,
    unit: String,
    /// The answerers that cannot expose it.
    unexposed: Vec<Exception>,
    /// What some askers show in place of the value.
    shown: Vec<(String, Exception)>,
}

/// Something that one language cannot, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Exception {
    /// The language.
    pub(crate) language: String,
    /// Why.
    pub(crate) reason: String,
}

/// Steps that are played with one credential.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its name.
    pub(crate) name: String,
    /// The credential, of the asker's own where there are several.
    pub(crate) credential: String,
    /// The steps in order.
    pub(crate) steps: Vec<Step>,
}

/// One step.
#[derive(Debug)]
pub(crate) struct Step {
    /// Its name, which begins each line that it gives.
    pub(crate) name: String,
    line: String,
    unasked: Vec<Exception>,
    rules: Vec<Rule>,
    /// What one language is to give in place of the others.
    others: Vec<(Exception, Vec<Rule>)>,
}

/// One kind of failure of a language that stands for several.
#[derive(Debug)]
struct Kinds {
    language: String,
    kind: String,
    stands_for: Vec<String>,
    reason: String,
}

/// Who asks whom, among whom.
#[derive(Clone, Debug)]
pub(crate) struct Pair<'a> {
    /// The asker's language.
    pub(crate) asker: &'a str,
    /// The answerer's language, and the name of its node.
    pub(crate) answerer: &'a str,
    /// All answerers.
    pub(crate) everybody: &'a [String],
}

impl Scenario {
    /// Reads the file.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut scenario = Self::default();
        for (index, line) in text.lines().enumerate() {
            if !line.is_empty() && !line.starts_with('#') {
                let place = || format!("scenario, line {}: {line}", index + 1);
                scenario.take(&repeat(line).with_context(place)?).with_context(place)?;
            }
        }
        Ok(scenario)
    }

    fn take(&mut self, line: &str) -> anyhow::Result<()> {
        let fields: Vec<&str> = line.split('\t').collect();
        match *fields {
            ["kind", language, kind, ref rest @ .., reason] => self.kinds.push(Kinds {
                language: language.to_owned(),
                kind: kind.to_owned(),
                stands_for: rest.iter().map(|&it| it.to_owned()).collect(),
                reason: reason.to_owned(),
            }),
            ["variable", name, _, unit, _, value] => {
                let value = (!value.is_empty()).then_some(value);
                self.exposures.push(Exposure::new(line, name, "", unit, value));
            }
            ["key", key, value] => {
                let map = self.exposures.iter().rfind(|it| it.order.1.is_empty());
                let template = map.context("a key without a variable")?.order.0.clone();
                let key = unescape(key.trim_matches('"'))?;
                self.exposures.push(Exposure::new(line, &template, &key, "", Some(value)));
            }
            ["setting", name, _, unit, _, _, ..] => {
                self.exposures.push(Exposure::new(line, name, "", unit, None));
            }
            ["unexposed", language, reason] => {
                self.exposure()?.unexposed.push(Exception::new(language, reason));
            }
            ["shown", language, value, reason] => {
                let exception = Exception::new(language, reason);
                self.exposure()?.shown.push((value.to_owned(), exception));
            }
            ["section", name, credential] => self.sections.push(Section {
                name: name.to_owned(),
                credential: credential.to_owned(),
                steps: Vec::new(),
            }),
            ["step", name, _, ..] => {
                let section = self.sections.last_mut().context("a step before any section")?;
                section.steps.push(Step::new(name, line));
            }
            ["unasked", language, reason] => {
                self.step()?.unasked.push(Exception::new(language, reason));
            }
            ["other", language, reason] => {
                let exception = Exception::new(language, reason);
                self.step()?.others.push((exception, Vec::new()));
            }
            [rule, ref fields @ ..] if rule.starts_with('=') => {
                let rule = Rule::parse(rule, fields)?;
                let Step { rules, others, .. } = self.step()?;
                others.last_mut().map_or(rules, |(_, rules)| rules).push(rule);
            }
            _ => bail!("this line means nothing"),
        }
        Ok(())
    }

    fn exposure(&mut self) -> anyhow::Result<&mut Exposure> {
        self.exposures.last_mut().context("nothing is exposed before")
    }

    fn step(&mut self) -> anyhow::Result<&mut Step> {
        let section = self.sections.last_mut().context("no section before")?;
        section.steps.last_mut().context("no step before")
    }

    /// The file for an answerer.
    pub(crate) fn for_answerer(&self, language: &str) -> String {
        let able = |it: &&Exposure| it.unexposed.iter().all(|it| it.language != language);
        let lines = self.exposures.iter().filter(able).map(|it| it.line.as_str());
        lines.map(|line| line.replace("$NODE", language) + "\n").collect()
    }

    /// The file for an asker: what there is, and the steps of a section.
    pub(crate) fn for_asker(&self, section: &Section, pair: &Pair<'_>) -> String {
        let exposed = self.exposures.iter().map(|it| format!("{}\n", it.line));
        let steps = section.steps.iter().filter(|it| it.is_for(pair.asker));
        exposed.chain(steps.map(|it| pair.fill(&it.line) + "\n")).collect()
    }

    /// How many values an answerer has to show before all are there, settings included.
    pub(crate) fn values_of(&self, language: &str) -> usize {
        let shows = |it: &&Exposure| !it.name.ends_with("[*]") && it.is_exposed_by(language);
        self.exposures.iter().filter(shows).count()
    }

    /// What a step gives, line by line; none where nothing is demanded.
    pub(crate) fn expected(
        &self,
        step: &Step,
        pair: &Pair<'_>,
    ) -> anyhow::Result<Option<Vec<Expected>>> {
        let mut lines = Vec::new();
        for rule in step.rules_for(pair.asker) {
            match rule {
                Rule::Any => return Ok(None),
                Rule::None => {}
                Rule::Line(fields) => {
                    let fields = fields.iter().map(|field| pair.fill(field));
                    lines.push(Expected::new(fields.collect(), &self.kinds_of(pair.asker))?);
                }
                Rule::All(prefix) => {
                    lines.extend(self.values(prefix, pair.answerer, pair.asker)?);
                }
                Rule::Variables(prefix) => lines.extend(self.variables(prefix, pair.answerer)?),
                Rule::Everybody(name) => {
                    for node in pair.everybody {
                        lines.extend(self.values(name, node, pair.asker)?);
                    }
                    lines.push(Expected::report(&[format!("answered={}", pair.everybody.len())])?);
                }
                Rule::Report(counts) => lines.push(Expected::report(counts)?),
            }
        }
        Ok(Some(lines))
    }

    /// The values of an answerer whose names begin so, in the order in which they are told.
    fn values(&self, prefix: &str, node: &str, asker: &str) -> anyhow::Result<Vec<Expected>> {
        let meant = |it: &&Exposure| it.name.starts_with(prefix) && it.is_exposed_by(node);
        let mut found: Vec<&Exposure> = self.exposures.iter().filter(meant).collect();
        found.sort_by_key(|it| &it.order);
        let mut lines = Vec::new();
        for it in found {
            let Some(value) = &it.value else { continue };
            let shown = it.shown.iter().find(|(_, exception)| exception.language == asker);
            let value = shown.map_or(value, |(value, _)| value).replace("$NODE", node);
            let fields = ["value", node, &escape(&it.name), &value, &it.unit];
            lines.push(Expected::new(fields.map(str::to_owned).to_vec(), &[])?);
        }
        Ok(lines)
    }

    /// What the variables of an answerer are whose names begin so.
    fn variables(&self, prefix: &str, node: &str) -> anyhow::Result<Vec<Expected>> {
        let meant = |it: &&Exposure| it.name.starts_with(prefix) && it.is_exposed_by(node);
        let mut found: Vec<&Exposure> = self.exposures.iter().filter(meant).collect();
        found.retain(|it| it.order.1.is_empty());
        found.sort_by_key(|it| &it.order);
        let line = |it: &Exposure| {
            let fields = ["variable", node, &escape(&it.name), &it.described()?, &it.unit];
            Expected::new(fields.map(str::to_owned).to_vec(), &[])
        };
        found.into_iter().map(line).collect()
    }

    /// For each kind of failure of this language, what it stands for.
    fn kinds_of(&self, language: &str) -> Vec<(&str, &str)> {
        let of = self.kinds.iter().filter(|it| it.language == language);
        of.flat_map(|it| it.stands_for.iter().map(|other| (other.as_str(), it.kind.as_str())))
            .collect()
    }

    /// Every exception, in a sentence, each once.
    pub(crate) fn exceptions(&self, languages: &[String]) -> Vec<String> {
        let mut found = Vec::new();
        for Kinds { language, kind, stands_for, reason } in &self.kinds {
            let others = stands_for.join(" and ");
            found.push((language, format!("says '{kind}' for {others}: {reason}")));
        }
        for it in &self.exposures {
            for Exception { language, reason } in &it.unexposed {
                found.push((language, format!("does not expose {}: {reason}", it.name)));
            }
            for (_, Exception { language, reason }) in &it.shown {
                found.push((language, format!("shows {} otherwise: {reason}", it.name)));
            }
        }
        for step in self.sections.iter().flat_map(|it| &it.steps) {
            for Exception { language, reason } in &step.unasked {
                found.push((language, format!("leaves out the step '{}': {reason}", step.name)));
            }
            for (Exception { language, reason }, _) in &step.others {
                let line = step.line.replace('\t', " ");
                found.push((language, format!("differs at '{line}': {reason}")));
            }
        }
        let present = found.into_iter().filter(|(language, _)| languages.contains(language));
        present.map(|(language, text)| format!("{language} {text}")).collect()
    }
}

impl Exposure {
    fn new(line: &str, template: &str, key: &str, unit: &str, value: Option<&str>) -> Self {
        let name = match key {
            "" => template.to_owned(),
            key => {
                let key = key.replace('\\', "\\\\").replace('"', "\\\"");
                template.replace("[*]", &format!("[\"{key}\"]"))
            }
        };
        Self {
            line: line.to_owned(),
            name,
            order: (template.to_owned(), key.to_owned()),
            value: value.map(str::to_owned),
            unit: unit.to_owned(),
            unexposed: Vec::new(),
            shown: Vec::new(),
        }
    }

    /// What it is beside its name and its unit, as a value.
    fn described(&self) -> anyhow::Result<String> {
        let text = |text: &str| Ok::<_, anyhow::Error>(format!("\"{}\"", escape(&unescape(text)?)));
        let fields: Vec<&str> = self.line.split('\t').collect();
        let [word, _, value_type, _, description, _, ref limits @ ..] = fields[..] else {
            bail!("'{}' is no variable", self.line);
        };
        let is_setting = word == "setting";
        let kind = if is_setting { "setting" } else { "gauge" };
        let mut pairs = vec![
            ("description", text(description)?),
            ("kind", text(kind)?),
            ("settable", is_setting.to_string()),
            ("type", text(value_type)?),
        ];
        let mut choices = Vec::new();
        for limit in limits {
            let (key, limit) = limit.split_once('=').context("a limit has no =")?;
            let number =
                || Ok::<_, anyhow::Error>(format!("f{:016x}", limit.parse::<f64>()?.to_bits()));
            match key {
                "min" => pairs.push(("min", number()?)),
                "max" => pairs.push(("max", number()?)),
                "length" => pairs.push(("length_max", format!("i{limit}"))),
                _ => choices.push(text(limit)?),
            }
        }
        if !choices.is_empty() {
            pairs.push(("choices", format!("[{}]", choices.join(","))));
        }
        pairs.sort();
        let pairs = pairs.iter().map(|(key, value)| format!("\"{key}\":{value}"));
        Ok(format!("{{{}}}", pairs.collect::<Vec<_>>().join(",")))
    }

    fn is_exposed_by(&self, language: &str) -> bool {
        self.unexposed.iter().all(|it| it.language != language)
    }
}

impl Exception {
    fn new(language: &str, reason: &str) -> Self {
        Self { language: language.to_owned(), reason: reason.to_owned() }
    }
}

impl Step {
    fn new(name: &str, line: &str) -> Self {
        let (name, line) = (name.to_owned(), line.to_owned());
        Self { name, line, unasked: Vec::new(), rules: Vec::new(), others: Vec::new() }
    }

    fn rules_for(&self, language: &str) -> &[Rule] {
        let other = self.others.iter().find(|(exception, _)| exception.language == language);
        other.map_or(&self.rules, |(_, rules)| rules)
    }

    /// Whether this language plays it.
    pub(crate) fn is_for(&self, language: &str) -> bool {
        self.unasked.iter().all(|it| it.language != language)
    }
}

impl Pair<'_> {
    fn fill(&self, text: &str) -> String {
        let others = self.everybody.iter().filter(|it| *it != self.answerer);
        let mut others: Vec<&str> = others.map(String::as_str).collect();
        if others.is_empty() {
            others.push("nobody");
        }
        text.replace("$TARGET", self.answerer).replace("$OTHERS", &others.join(","))
    }
}

/// The line with `xyxyxy` in place of `<3*xy>`.
fn repeat(line: &str) -> anyhow::Result<String> {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('<') {
        out += before;
        let digits = after.find(|it: char| !it.is_ascii_digit()).unwrap_or(0);
        if digits == 0 || !after[digits..].starts_with('*') {
            out.push('<');
            rest = after;
            continue;
        }
        let (unit, after) = after[digits + 1..].split_once('>').context("no > behind <N*")?;
        out += &unit.repeat(rest[before.len() + 1..][..digits].parse()?);
        rest = after;
    }
    Ok(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_written_out() {
        for (line, expected) in [
            ("a", "a"),
            ("a<b", "a<b"),
            ("a < 3 * 4 > b", "a < 3 * 4 > b"),
            ("<3*xy>z<2*.>", "xyxyxyz.."),
            ("<0*x>", ""),
        ] {
            assert_eq!(repeat(line).unwrap(), expected);
        }
        assert!(repeat("<3*x").is_err());
    }

    #[test]
    fn the_committed_scenario_is_one() {
        let scenario = Scenario::parse(include_str!("../scenario.txt")).unwrap();
        let everybody = ["rust".to_owned(), "cli".to_owned()];
        let pair = Pair { asker: "cli", answerer: "rust", everybody: &everybody };
        for section in &scenario.sections {
            for step in &section.steps {
                scenario.expected(step, &pair).unwrap();
            }
        }
        assert!(!scenario.for_answerer("cli").contains("app.bytes.all"));
        assert!(scenario.for_answerer("rust").contains("app.bytes.all"));
        assert!(!scenario.exceptions(&everybody).is_empty());
    }
}
