//! One test per loop that is compiled in: a macro here, because only this crate knows
//! its features.

/// Makes a module with a test for each loop, which calls the function of the same name
/// with the loop's name.
///
/// `each_loop! { FLAVOR NAME { imports } [ attributes ] [ -> Output ] }`, where `FLAVOR`
/// is `any`, `current_thread` or `multi_thread`.
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_each_loop {
    ($flavor:ident $name:ident { $($import:tt)* } $attrs:tt $output:tt) => {
        #[cfg(test)]
        mod $name {
            $($import)*
            $crate::__policy_if_none! { $flavor }
            $crate::__policy_if_default! {
                $flavor current_thread $name default "default" $attrs $output
            }
            $crate::__policy_if_smol! {
                $flavor current_thread $name smol_current_thread "smol:current_thread"
                $attrs $output
            }
            $crate::__policy_if_smol! {
                $flavor multi_thread $name smol_multi_thread "smol:multi_thread"
                $attrs $output
            }
            $crate::__policy_if_tokio! {
                $flavor current_thread $name tokio_current_thread "tokio:current_thread"
                $attrs $output
            }
            $crate::__policy_if_tokio! {
                $flavor multi_thread $name tokio_multi_thread "tokio:multi_thread"
                $attrs $output
            }
            $crate::__policy_if_async_std! {
                $flavor multi_thread $name async_std "async-std" $attrs $output
            }
            $crate::__policy_if_compio! {
                $flavor current_thread $name compio "compio" $attrs $output
            }
            $crate::__policy_if_compio_polling! {
                $flavor current_thread $name compio_polling "compio:polling" $attrs $output
            }
        }
    };
}

/// Makes one of the tests, if its loop has the flavor that is wanted.
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_one_loop {
    (current_thread multi_thread $($rest:tt)*) => {};
    (multi_thread current_thread $($rest:tt)*) => {};
    (
        $wanted:ident $flavor:ident $name:ident $test:ident $which:literal
        [ $($attr:tt)* ] [ $($output:tt)* ]
    ) => {
        #[::core::prelude::v1::test]
        $($attr)*
        fn $test() $($output)* { super::$name($which) }
    };
}

// By hand: `macro_rules!` on our oldest Rust can't write `$` into another.

#[cfg(feature = "default-loop")]
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_if_default {
    ($($test:tt)*) => { $crate::__policy_one_loop! { $($test)* } };
}
#[cfg(not(feature = "default-loop"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_if_default {
    ($($test:tt)*) => {};
}

#[cfg(feature = "smol")]
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_if_smol {
    ($($test:tt)*) => { $crate::__policy_one_loop! { $($test)* } };
}
#[cfg(not(feature = "smol"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_if_smol {
    ($($test:tt)*) => {};
}

#[cfg(feature = "tokio")]
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_if_tokio {
    ($($test:tt)*) => { $crate::__policy_one_loop! { $($test)* } };
}
#[cfg(not(feature = "tokio"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_if_tokio {
    ($($test:tt)*) => {};
}

#[cfg(feature = "async-std")]
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_if_async_std {
    ($($test:tt)*) => { $crate::__policy_one_loop! { $($test)* } };
}
#[cfg(not(feature = "async-std"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_if_async_std {
    ($($test:tt)*) => {};
}

#[cfg(feature = "compio")]
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_if_compio {
    ($($test:tt)*) => { $crate::__policy_one_loop! { $($test)* } };
}
#[cfg(not(feature = "compio"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_if_compio {
    ($($test:tt)*) => {};
}

#[cfg(all(feature = "compio", target_os = "linux"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_if_compio_polling {
    ($($test:tt)*) => { $crate::__policy_one_loop! { $($test)* } };
}
#[cfg(not(all(feature = "compio", target_os = "linux")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_if_compio_polling {
    ($($test:tt)*) => {};
}

/// Tells of a test that would run on no loop, and so always pass.
#[cfg(not(any(
    feature = "default-loop",
    feature = "smol",
    feature = "tokio",
    feature = "async-std",
    feature = "compio"
)))]
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_if_none {
    ($($flavor:tt)*) => {
        compile_error!("no loop is compiled into `policy`: turn on a feature, such as `tokio`");
    };
}
#[cfg(all(
    any(feature = "default-loop", feature = "compio"),
    not(any(feature = "smol", feature = "tokio", feature = "async-std"))
))]
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_if_none {
    (multi_thread) => {
        compile_error!(
            "no multi-threaded loop is compiled into `policy`: turn on a feature, such as `tokio`"
        );
    };
    ($flavor:ident) => {};
}
#[cfg(any(feature = "smol", feature = "tokio", feature = "async-std"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __policy_if_none {
    ($flavor:ident) => {};
}
