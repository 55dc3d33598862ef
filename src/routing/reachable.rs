//! Whether each row of a table is reached by the requests for it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use actix_http::Request;
use actix_web::HttpMessage;
use actix_web::dev::{ResourceDef, Service};
use actix_web::guard::GuardContext;
use actix_web::http::Method;
use actix_web::test::TestRequest;

use super::api::{Api, Row};
use super::path_pattern::{Part, parts};

impl<V> Api<V> {
    /// Checks that requests for each row reach it in `app`, in process and without running a handler of a table.
    ///
    /// A row is not reached if a service that is registered earlier has its path, such as a `web::scope` of Actix, or
    /// another table with the same method and path. Call it once for each table, in a test or before the server is started.
    /// Path parameters with a regular expression are tried with common values; a row that none of them fits is not checked.
    ///
    /// # Errors
    /// [`UnreachableRoutes`] names each row with the place where it is declared.
    ///
    /// # Examples
    /// ```
    /// use actix_resource_server::test_kit::TestIssuer;
    /// use actix_resource_server::{Algorithm, Api, AuthenticatedUser, Issuer, Verifier, get};
    /// use actix_web::test::init_service;
    /// use actix_web::{App, web};
    ///
    /// async fn order(_: AuthenticatedUser) -> &'static str { "an order" }
    ///
    /// fn api() -> Api {
    ///     Api::new("/api").route("/orders/{id}", get(order))
    /// }
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let issuer = TestIssuer::start_with(Algorithm::Es256);
    /// let trusted = Issuer::discover(issuer.url()).audience(issuer.audience()).build()?;
    /// let verifier = Verifier::start([trusted])?;
    ///
    /// let app = init_service(App::new().service(api().verified_by(verifier.clone()))).await;
    /// api().verify_reachable(&app).await?;
    ///
    /// let hiding = App::new().service(web::scope("/api"));
    /// let app = init_service(hiding.service(api().verified_by(verifier))).await;
    /// assert!(api().verify_reachable(&app).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn verify_reachable<S>(&self, app: &S) -> Result<(), UnreachableRoutes>
    where
        S: Service<Request>,
    {
        let mut unreachable = Vec::new();
        for row in &self.rows {
            let mut instead = None;
            let mut is_reached = true;
            for path in samples(&self.full_path(row)) {
                let reached = probe(app, &row.endpoint.method, &path).await;
                is_reached = reached.as_ref().is_some_and(|reached| reached.is(row));
                if is_reached {
                    break;
                }
                instead = reached.or(instead);
            }
            if !is_reached {
                unreachable.push(Unreachable {
                    route: format!("{} {}", row.endpoint.method, self.full_path(row)),
                    place: row.place,
                    instead: instead.map(|reached| reached.place),
                });
            }
        }
        if unreachable.is_empty() {
            Ok(())
        } else {
            Err(UnreachableRoutes(unreachable))
        }
    }
}

/// The row that a probe has reached.
struct Reached {
    method: Method,
    path: String,
    place: &'static Location<'static>,
}

impl Reached {
    fn is(&self, row: &Row) -> bool {
        self.place == row.place && self.method == row.endpoint.method && self.path == row.path
    }
}

/// In the extensions of a probe.
struct Probe(Rc<RefCell<Option<Reached>>>);

async fn probe<S: Service<Request>>(app: &S, method: &Method, path: &str) -> Option<Reached> {
    let reached = Rc::new(RefCell::new(None));
    let request = TestRequest::with_uri(path).method(method.clone());
    let request = request.to_request();
    request.extensions_mut().insert(Probe(Rc::clone(&reached)));
    PROBES.set(PROBES.get().saturating_add(1));
    // Whatever the response: the guard of the row has recorded whether it was reached.
    drop(app.call(request).await);
    PROBES.set(PROBES.get().saturating_sub(1));
    reached.take()
}

/// Whether the request is a probe, which ends here: the row is recorded, and its handler does not run.
pub(super) fn is_probe(
    request: &GuardContext<'_>,
    method: &Method,
    path: &str,
    place: &'static Location<'static>,
) -> bool {
    if PROBES.get() == 0 {
        return false;
    }
    let extensions = request.req_data();
    let Some(Probe(reached)) = extensions.get() else {
        return false;
    };
    reached.borrow_mut().get_or_insert_with(|| Reached {
        method: method.clone(),
        path: path.to_owned(),
        place,
    });
    true
}

thread_local! {
    /// How many probes are in progress; other requests need not look for theirs.
    static PROBES: Cell<usize> = const { Cell::new(0) };
}

/// Paths that match the pattern: each parameter is given one of the sample values.
fn samples(pattern: &str) -> Vec<String> {
    let definition = ResourceDef::new(pattern);
    let with = |value: &&str| {
        let text = |part| match part {
            Part::Literal(literal) => literal,
            Part::Parameter { name, pattern } => fitting(name, pattern, value),
        };
        parts(pattern).map(text).collect::<String>()
    };
    let mut paths: Vec<_> = SAMPLES.iter().map(with).collect();
    paths.dedup();
    paths.retain(|path| definition.is_match(path));
    paths
}

/// `value` if it fits the parameter's regular expression, or else the first sample value that does.
fn fitting<'v>(name: &str, pattern: Option<&str>, value: &'v str) -> &'v str {
    let Some(pattern) = pattern else {
        return value;
    };
    let parameter = ResourceDef::new(format!("/{{{name}:{pattern}}}"));
    let fits = |value: &&&str| parameter.is_match(&format!("/{value}"));
    let value = std::iter::once(&value).find(fits);
    value
        .or_else(|| SAMPLES.iter().find(fits))
        .copied()
        .unwrap_or("1")
}

/// Values of common path parameters.
const SAMPLES: &[&str] = &[
    "1",
    "probe",
    "a",
    "12",
    "123",
    "2024",
    "12345",
    "ab",
    "abc",
    "A",
    "AB",
    "ABC",
    "en-US",
    "1.0",
    "v1",
    "2024-01-31",
    "file.txt",
    "00000000-0000-4000-8000-000000000000",
    "0123456789abcdef0123456789abcdef",
];

/// The rows of a table that no request reaches; `Display` has a line for each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct UnreachableRoutes(Vec<Unreachable>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Unreachable {
    route: String,
    place: &'static Location<'static>,
    /// Where the row is declared that is reached instead.
    instead: Option<&'static Location<'static>>,
}

impl UnreachableRoutes {
    /// Method and path of each row, such as `GET /api/orders/{id}`.
    pub fn routes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|unreachable| unreachable.route.as_str())
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route, place, .. } = self;
        write!(f, "{route}, declared at {place}, is not reached: ")?;
        match self.instead {
            Some(instead) => write!(f, "the route declared at {instead} is"),
            None => f.write_str("a service that is registered before its table has this path"),
        }
    }
}

fn lines(unreachable: &[Unreachable]) -> String {
    let lines: Vec<_> = unreachable.iter().map(Unreachable::to_string).collect();
    lines.join("\n")
}
