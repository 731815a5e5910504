//! Options of sockets, for all types that have a [`Socket`](super::socket::Socket).

/// Makes a method that asks and one that sets, for each option.
macro_rules! options {
    ($type:ident {
        $($what:literal:
            $get:ident = $read:expr,
            $(#[doc = $note:literal])*
            $set:ident = $write:expr,
            $value:ty;)+
    }) => {
        impl $type {$(
            #[doc = concat!("Returns ", $what, ".")]
            ///
            /// # Errors
            /// Returns the error of the system.
            ///
            /// ```
            #[doc = concat!("# fn example(socket: &policy::net::", stringify!($type), ") -> std::io::Result<()> {")]
            #[doc = concat!("println!(\"{:?}\", socket.", stringify!($get), "()?);")]
            /// # Ok(())
            /// # }
            /// ```
            pub fn $get(&self) -> ::std::io::Result<$value> {
                let read: fn(&$crate::net::socket::Socket) -> ::std::io::Result<$value> = $read;
                read(self.socket())
            }

            #[doc = concat!("Sets ", $what, ".")]
            ///
            $(#[doc = $note])*
            ///
            /// # Errors
            /// Returns the error of the system.
            ///
            /// ```
            #[doc = concat!("# fn example(socket: &policy::net::", stringify!($type), ") -> std::io::Result<()> {")]
            #[doc = concat!("let now = socket.", stringify!($get), "()?;")]
            #[doc = concat!("socket.", stringify!($set), "(now)?; // as it was")]
            /// # Ok(())
            /// # }
            /// ```
            pub fn $set(&self, value: $value) -> ::std::io::Result<()> {
                let write: fn(&$crate::net::socket::Socket, $value) -> ::std::io::Result<()> =
                    $write;
                write(self.socket(), value)
            }
        )+}
    };
}
