//! What can be wrong: an id each, which scripts and the book may rely on.

use std::fmt;

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $id:literal,)*) => {
        /// A cause of trouble.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Cause {
            $($(#[$doc])* $name,)*
        }

        impl Cause {
            /// Every cause, in the order in which they are told.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its id: what programs see, and what the book explains.
            pub(crate) const fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }
        }
    };
}

causes! {
    /// IPv6 is switched off on an interface, or in the kernel.
    NoIpv6 = "no-ipv6",
    /// An interface of the realm is down, or has no carrier.
    InterfaceDown = "interface-down",
    /// An interface that the realm names does not exist.
    InterfaceAbsent = "interface-absent",
    /// An interface of the realm does not multicast.
    WrongInterface = "wrong-interface",
    /// An interface lacks an address of the realm's scope.
    WrongScope = "wrong-scope",
    /// The kernel has no route for multicast out of an interface.
    NoMulticastRoute = "no-multicast-route",
    /// Another program holds the realm's port.
    PortTaken = "port-taken",
    /// The kernel grants receive buffers that are too small for the realm.
    BuffersSmall = "buffers-small",
    /// Datagrams were lost in full receive buffers.
    ReceiveOverflow = "receive-overflow",
    /// The user's runtime folder is not the user's own.
    RuntimeFolderForeign = "runtime-folder-foreign",
    /// The client's credential is here and is refused.
    CredentialRefused = "credential-refused",
    /// The credential has expired.
    CredentialExpired = "credential-expired",
    /// The credential expires soon.
    CredentialSoonExpired = "credential-soon-expired",
    /// Others at the realm's port are of another realm.
    CredentialOtherRealm = "credential-other-realm",
    /// An agent speaks with a credential that the realm has forgotten.
    CredentialForgotten = "credential-forgotten",
    /// The clocks of this host and of the others differ.
    ClockSkew = "clock-skew",
    /// Two agents run with one certificate.
    DuplicateIdentity = "duplicate-identity",
    /// This host's firewall drops answers.
    RepliesFiltered = "replies-filtered",
    /// This host's firewall lets no questions out.
    QuestionsBlocked = "questions-blocked",
    /// Firewalls of agents drop questions.
    QuestionsFiltered = "questions-filtered",
    /// A switch snoops MLD, and nobody queries.
    SnoopingNoQuerier = "snooping-no-querier",
    /// Multicast passes in one direction only.
    MulticastOneWay = "multicast-one-way",
    /// Multicast does not pass, unicast does.
    MulticastFiltered = "multicast-filtered",
}

impl Cause {
    /// The cause of this id, where this program knows it.
    pub(crate) fn of(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.id() == id)
    }

    /// Whether this, as an error, brings the other about: the other is not told beside it.
    pub(crate) const fn explains(self, other: Self) -> bool {
        match self {
            // Nothing gets in or out, or nobody listens to what does.
            Self::NoIpv6
            | Self::InterfaceDown
            | Self::InterfaceAbsent
            | Self::WrongInterface
            | Self::WrongScope
            | Self::CredentialExpired => {
                other.is_of_multicast()
                    || matches!(other, Self::QuestionsFiltered | Self::CredentialOtherRealm)
            }
            // Unicast works.
            Self::NoMulticastRoute | Self::PortTaken => other.is_of_multicast(),
            // No question goes out.
            Self::QuestionsBlocked => {
                other.is_of_multicast() || matches!(other, Self::QuestionsFiltered)
            }
            // As an error: no answer comes in.
            Self::RepliesFiltered => {
                other.is_on_the_way() || matches!(other, Self::QuestionsFiltered)
            }
            Self::BuffersSmall
            | Self::ReceiveOverflow
            | Self::RuntimeFolderForeign
            | Self::CredentialRefused
            | Self::CredentialSoonExpired
            | Self::CredentialOtherRealm
            | Self::CredentialForgotten
            | Self::ClockSkew
            | Self::DuplicateIdentity
            | Self::QuestionsFiltered
            | Self::SnoopingNoQuerier
            | Self::MulticastOneWay
            | Self::MulticastFiltered => false,
        }
    }

    /// Whether this, as an error, is why agents that run may not be heard: their silence is not
    /// told beside it.
    pub(crate) const fn silences(self) -> bool {
        match self {
            Self::NoIpv6
            | Self::InterfaceDown
            | Self::InterfaceAbsent
            | Self::WrongInterface
            | Self::WrongScope
            | Self::NoMulticastRoute
            | Self::CredentialExpired
            | Self::CredentialOtherRealm
            | Self::RepliesFiltered
            | Self::QuestionsBlocked => true,
            Self::PortTaken
            | Self::BuffersSmall
            | Self::ReceiveOverflow
            | Self::RuntimeFolderForeign
            | Self::CredentialRefused
            | Self::CredentialSoonExpired
            | Self::CredentialForgotten
            | Self::ClockSkew
            | Self::DuplicateIdentity
            | Self::QuestionsFiltered
            | Self::SnoopingNoQuerier
            | Self::MulticastOneWay
            | Self::MulticastFiltered => false,
        }
    }

    /// Whether multicast fails, or what answers it, while unicast works.
    const fn is_of_multicast(self) -> bool {
        self.is_on_the_way() || matches!(self, Self::RepliesFiltered)
    }

    /// Whether it keeps multicast from passing between this host and agents.
    const fn is_on_the_way(self) -> bool {
        matches!(self, Self::SnoopingNoQuerier | Self::MulticastOneWay | Self::MulticastFiltered)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Cause;

    const CHAPTER: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/book/src/doctor.md"));

    #[test]
    fn the_book_explains_every_cause_and_no_other() {
        let explained: BTreeSet<&str> = CHAPTER
            .lines()
            .filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'))
            .collect();
        let known: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.id()).collect();
        assert_eq!(explained, known);
        assert_eq!(known.len(), Cause::ALL.len(), "two causes have one id");
    }
}
