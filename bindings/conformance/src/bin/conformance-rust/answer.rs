//! The answerer: exposes all variables and settings of the scenario.

use std::path::Path;

use anyhow::{Context, bail};
use lcast::{Constraint, Credential, Definition, Exposed, Node};
use lcast_conformance::line::words;

use crate::value::{parse, type_named};

/// Exposes what the scenario says until standard input closes.
pub(crate) async fn run(
    credential: Credential,
    state: &Path,
    scenario: &str,
) -> anyhow::Result<()> {
    let node = Node::builder(credential).state(state).start()?;
    let mut keyed = None;
    for line in scenario.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let exposed = match *fields {
            ["variable", name, kind, unit, description, value] => {
                let definition = Definition::gauge(name, type_named(kind)?);
                let definition = definition.unit(unit).description(description);
                variable(&node, definition, value).await.map(|it| keyed = Some(it))
            }
            ["key", key, value] => publish_key(keyed.as_ref(), key, value).await,
            ["setting", name, kind, unit, description, default, ref limits @ ..] => {
                let definition = Definition::setting(name, type_named(kind)?, constraint(limits)?);
                let definition = definition.unit(unit).description(description);
                setting(&node, definition, default).await
            }
            _ => Ok(()),
        };
        exposed.with_context(|| line.to_owned())?;
    }
    println!("ready");
    let end = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    tokio::task::spawn_blocking(end).await??;
    node.leave().await;
    Ok(())
}

async fn variable(node: &Node, definition: Definition, value: &str) -> anyhow::Result<Exposed> {
    let exposed = node.expose(definition).await?;
    if !value.is_empty() {
        exposed.publish(parse(value)?).await?;
    }
    Ok(exposed)
}

async fn publish_key(variable: Option<&Exposed>, key: &str, value: &str) -> anyhow::Result<()> {
    let lcast::Value::Text(key) = parse(key)? else { bail!("a key is a text") };
    let variable = variable.context("a key stands behind its variable")?;
    Ok(variable.publish_key(&key, parse(value)?).await?)
}

async fn setting(node: &Node, definition: Definition, default: &str) -> anyhow::Result<()> {
    node.expose_setting(definition, parse(default)?).await?;
    Ok(())
}

fn constraint(limits: &[&str]) -> anyhow::Result<Constraint> {
    let mut constraint = Constraint::default();
    for (key, value) in words(limits)? {
        match key.as_str() {
            "min" => constraint.min = Some(value.parse()?),
            "max" => constraint.max = Some(value.parse()?),
            "length" => constraint.length_max = Some(value.parse()?),
            "choice" => constraint.choices.push(value),
            _ => bail!("'{key}' is no limit"),
        }
    }
    Ok(constraint)
}
