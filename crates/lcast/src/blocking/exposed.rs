//! Variables and settings that this process exposes.

use lcast_proto::value::Value;

use super::error::Error;
use super::node::Link;
use super::process::Own;
use super::stream::{Feed, Stream};

/// A variable that this process exposes; stays exposed when this value is dropped.
#[derive(Debug)]
pub struct Exposed {
    own: Own<Variable>,
    template: String,
}

#[derive(Debug)]
struct Variable {
    link: Link,
    exposed: crate::Exposed,
}

/// A setting that this process exposes; stays exposed when this value is dropped.
#[derive(Debug)]
pub struct Setting {
    own: Own<Written>,
    name: String,
}

#[derive(Debug)]
struct Written {
    link: Link,
    setting: crate::Setting,
}

impl Exposed {
    pub(super) fn new(link: Link, exposed: crate::Exposed) -> Self {
        let template = exposed.template().to_owned();
        Self { own: Own::new(Variable { link, exposed }), template }
    }

    /// The name, with `[*]` for the keys of a map.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// Gives the variable a value.
    ///
    /// # Errors
    /// [`Kind::Invalid`](super::Kind::Invalid) when the value is of another type than the
    /// definition, larger than [`Value::BYTES_MAX`] or deeper than [`Value::DEPTH_MAX`],
    /// [`Kind::Ended`](super::Kind::Ended), [`Kind::Forked`](super::Kind::Forked).
    pub fn publish(&self, value: Value) -> Result<(), Error> {
        let Variable { link, exposed } = self.own.get()?;
        let exposed = exposed.clone();
        Ok(link.call(async move { exposed.publish(value).await })??)
    }

    /// Gives one instance of a map variable a value: `app.disk[*].usage` with key `/var`.
    ///
    /// # Errors
    /// As of [`Exposed::publish`], and when the variable has no `[*]`.
    pub fn publish_key(&self, key: &str, value: Value) -> Result<(), Error> {
        let Variable { link, exposed } = self.own.get()?;
        let (exposed, key) = (exposed.clone(), key.to_owned());
        Ok(link.call(async move { exposed.publish_key(&key, value).await })??)
    }

    /// Removes the variable from the realm's sight; whether it was there.
    ///
    /// # Errors
    /// [`Kind::Ended`](super::Kind::Ended), [`Kind::Forked`](super::Kind::Forked).
    pub fn withdraw(&self) -> Result<bool, Error> {
        let Variable { link, exposed } = self.own.get()?;
        let exposed = exposed.clone();
        Ok(link.call(async move { exposed.withdraw().await })??)
    }
}

impl Setting {
    pub(super) fn new(link: Link, name: String, setting: crate::Setting) -> Self {
        Self { own: Own::new(Written { link, setting }), name }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The present value.
    ///
    /// # Errors
    /// [`Kind::Forked`](super::Kind::Forked).
    pub fn value(&self) -> Result<Value, Error> {
        Ok(self.own.get()?.setting.value())
    }

    /// The values that somebody writes, in a stream of its own: it begins with the newest that was
    /// written since the exposing. Of those that come faster than they are read only the newest is
    /// sure to be among them.
    ///
    /// # Errors
    /// [`Kind::Limit`](super::Kind::Limit) when there is no descriptor left,
    /// [`Kind::Ended`](super::Kind::Ended), [`Kind::Forked`](super::Kind::Forked).
    pub fn changes(&self) -> Result<Stream<Value>, Error> {
        let Written { link, setting } = self.own.get()?;
        link.stream(|feed| changes(setting.clone(), feed))
    }
}

/// Feeds a stream with the values of a setting.
async fn changes(mut setting: crate::Setting, feed: Feed<Value, ()>) {
    while !feed.is_given_up() {
        let changed = tokio::select! {
            () = feed.given_up() => break,
            changed = setting.changed() => changed,
        };
        let Ok(value) = changed else { break };
        feed.push(value, || ()).await;
    }
    feed.finish_given_up(None);
}
