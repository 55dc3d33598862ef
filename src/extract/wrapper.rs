//! What access types have in common.

/// Makes access types extractors: resolved by [`AccessFuture`](super::AccessFuture), rejected with a `Rejection`.
macro_rules! impl_from_request {
    ($name:ident<$($parameter:ident: $bound:path),*>) => {
        impl<$($parameter: $bound),*> actix_web::FromRequest for $name<$($parameter),*> {
            type Error = crate::Rejection;
            type Future = $crate::extract::AccessFuture<Self>;

            fn from_request(
                request: &actix_web::HttpRequest,
                _: &mut actix_web::dev::Payload,
            ) -> Self::Future {
                $crate::extract::AccessFuture::start(request)
            }
        }

        impl<$($parameter: $bound),*> std::fmt::Debug for $name<$($parameter),*> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

/// The same for those that add a requirement to another access type `A`, which they dereference to.
macro_rules! impl_wrapper {
    ($name:ident<$($parameter:ident: $bound:path),*>) => {
        $crate::extract::wrapper::impl_from_request!($name<$($parameter: $bound),*>);

        impl<$($parameter: $bound),*> $crate::extract::Identified for $name<$($parameter),*> {
            fn caller(&self) -> &$crate::extract::Caller {
                self.access.caller()
            }
        }

        impl<$($parameter: $bound),*> std::ops::Deref for $name<$($parameter),*> {
            type Target = A;

            fn deref(&self) -> &A {
                &self.access
            }
        }
    };
}

pub(super) use {impl_from_request, impl_wrapper};
