//! Enums whose variants are words in metrics, in logs or on the wire.

/// Defines an enum, the list of its variants (`ALL`), and the word of each (`as_str`).
macro_rules! words {
    (
        $(#[$about:meta])*
        $visibility:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }
    ) => {
        $(#[$about])*
        $visibility enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All of them, in the order of their definition.
            $visibility const ALL: [Self; [$($word),*].len()] = [$(Self::$variant),*];

            /// The word for it in metrics, in logs and on the wire.
            #[must_use]
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}
pub(crate) use words;
