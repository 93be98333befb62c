//! Futures of services, without what they are made of.

/// Defines the future of a service: an `async` block in a box, under a name of its own.
///
/// The type says nothing of the block, so that the block may change, and a service can name it as
/// its `Service::Future`. The box is the one allocation. What stands behind the `=` is what the
/// future returns.
///
/// ```ignore
/// opaque_future! {
///     /// A dial: the future of `Direct`.
///     pub struct ResponseFuture = Result<Connected<TcpStream>, BoxError>;
/// }
///
/// let future = ResponseFuture::new(async { .. });
/// ```
macro_rules! opaque_future {
    (
        $(#[$attribute:meta])*
        pub struct $name:ident $(<$parameter:ident>)? = $output:ty;
    ) => {
        $(#[$attribute])*
        pub struct $name $(<$parameter>)? {
            inner: ::std::pin::Pin<::std::boxed::Box<
                dyn ::std::future::Future<Output = $output> + ::std::marker::Send,
            >>,
        }

        impl $(<$parameter>)? $name $(<$parameter>)? {
            pub(super) fn new(
                future: impl ::std::future::Future<Output = $output>
                    + ::std::marker::Send
                    + 'static,
            ) -> Self {
                Self {
                    inner: ::std::boxed::Box::pin(future),
                }
            }
        }

        impl $(<$parameter>)? ::std::future::Future for $name $(<$parameter>)? {
            type Output = $output;

            fn poll(
                mut self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<Self::Output> {
                self.inner.as_mut().poll(cx)
            }
        }

        impl $(<$parameter>)? ::std::fmt::Debug for $name $(<$parameter>)? {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}
