//! Variables and settings that this process exposes.

use lcast_proto::name::Name;
use lcast_proto::value::Value;
use lcast_proto::variable::{TableError, Update};

use crate::node::{ExposeError, Node, NodeEnded, SettingValue};

/// A variable that this process exposes; stays exposed when this value is dropped.
#[derive(Clone, Debug)]
pub struct Exposed {
    node: Node,
    template: String,
}

/// A setting that this process exposes: its value changes when somebody writes it.
#[derive(Clone, Debug)]
pub struct Setting {
    value: SettingValue,
}

impl Exposed {
    pub(crate) fn new(node: Node, template: String) -> Self {
        Self { node, template }
    }

    /// The name, with `[*]` for the keys of a map.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// Gives the variable a value.
    ///
    /// # Errors
    /// When the value is of another type than the definition, larger than [`Value::BYTES_MAX`] or
    /// deeper than [`Value::DEPTH_MAX`], or the node has ended.
    pub async fn publish(&self, value: Value) -> Result<(), ExposeError> {
        let name = self.template.parse();
        let name = name.map_err(|_| TableError::Undefined(self.template.clone()))?;
        self.node.publish(vec![Update { name, value, time: None, version: None }]).await
    }

    /// Gives one instance of a map variable a value: `app.disk[*].usage` with key `/var`.
    ///
    /// # Errors
    /// When the variable has no `[*]`, the key is empty or longer than [`Name::KEY_LENGTH_MAX`],
    /// the type differs, or the node has ended.
    pub async fn publish_key(&self, key: &str, value: Value) -> Result<(), ExposeError> {
        if !self.template.contains("[*]") {
            return Err(TableError::Undefined(format!("{}[*]", self.template)).into());
        }
        if !(1..=Name::KEY_LENGTH_MAX).contains(&key.len()) {
            let (name, found) = (self.template.clone(), key.len());
            return Err(TableError::Key { name, found }.into());
        }
        let quoted = key.replace('\\', "\\\\").replace('"', "\\\"");
        let name = self.template.replacen("[*]", &format!("[\"{quoted}\"]"), 1).parse();
        let name = name.map_err(|_| TableError::Undefined(self.template.clone()))?;
        self.node.publish(vec![Update { name, value, time: None, version: None }]).await
    }

    /// Removes the variable from the realm's sight; whether it was there.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn withdraw(self) -> Result<bool, NodeEnded> {
        let template = self.template;
        self.node.change(move |table, _| table.undefine(&template)).await
    }
}

impl Setting {
    pub(crate) fn new(value: SettingValue) -> Self {
        Self { value }
    }

    /// The present value.
    pub fn value(&self) -> Value {
        self.value.borrow().clone()
    }

    /// Waits until somebody writes another value, and gives it.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn changed(&mut self) -> Result<Value, NodeEnded> {
        self.value.changed().await.map_err(|_| NodeEnded)?;
        Ok(self.value.borrow_and_update().clone())
    }
}
