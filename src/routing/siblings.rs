//! The tables of one app, which know each other's rows.
//!
//! Actix selects the first registered service whose path and guards match. So a table must not answer for a path that
//! a later one serves. Each table adds its rows here when it is registered; its guards ask at the time of a request, when
//! all tables are there.

use std::any::Any;
use std::cell::RefCell;
use std::rc::{Rc, Weak};

use actix_web::dev::{AppService, ResourceDef, Url};
use actix_web::http::{Method, Uri};

use super::api::Row;
use super::metadata::ProtectedResource;
use super::path_pattern::{may_overlap, specificity};
use crate::claims::scope::OFFLINE_ACCESS;
use crate::rejection::WELL_KNOWN;

/// The tables of one app or scope, in the order of their registration.
pub(super) struct Siblings {
    /// The default service of the app.
    app: Weak<dyn Any>,
    /// Whether the paths of rows are whole paths; in a scope, they follow a path that is not known here.
    is_root: bool,
    tables: RefCell<Vec<Vec<Served>>>,
    /// Those of the tables that have metadata.
    resources: RefCell<Vec<ProtectedResource>>,
    /// Where the metadata of each of them is served.
    metadata_paths: RefCell<Vec<String>>,
}

/// What a row serves.
struct Served {
    path: String,
    pattern: ResourceDef,
    method: Method,
    with_head: bool,
}

/// One of the tables.
#[derive(Clone)]
pub(super) struct Table {
    siblings: Rc<Siblings>,
    index: usize,
}

impl Table {
    /// Adds the rows of a table to those of the same app.
    pub(super) fn join(rows: &[Row], config: &AppService) -> Self {
        let siblings = Siblings::of(config);
        let served = rows.iter().map(|row| Served {
            pattern: ResourceDef::new(row.path.as_str()),
            path: row.path.clone(),
            method: row.endpoint.method.clone(),
            with_head: row.endpoint.serves_head(),
        });
        let mut tables = siblings.tables.borrow_mut();
        let index = tables.len();
        tables.push(served.collect());
        drop(tables);
        Self { siblings, index }
    }

    /// Adds the protected resource that this table is, and where its metadata is served.
    pub(super) fn declare(&self, resource: ProtectedResource, paths: &[String]) {
        self.siblings.resources.borrow_mut().push(resource);
        let mut known = self.siblings.metadata_paths.borrow_mut();
        known.extend_from_slice(paths);
    }

    /// Whether the metadata of a table is served at the path.
    pub(super) fn is_metadata(&self, path: &str) -> bool {
        let Some(below) = path.strip_prefix(WELL_KNOWN) else {
            return false;
        };
        if below.is_empty() && self.is_only_resource() {
            return !self.siblings.resources.borrow().is_empty();
        }
        let known = self.siblings.metadata_paths.borrow();
        known.iter().any(|known| known == path)
    }

    /// Whether all tables that are protected resources are the same one.
    pub(super) fn is_only_resource(&self) -> bool {
        let resources = self.siblings.resources.borrow();
        let mut paths = resources.iter().map(|resource| &resource.path);
        let first = paths.next();
        paths.all(|path| Some(path) == first)
    }

    /// The scopes that the routes of a protected resource require, each once, without the one that asks for a refresh token.
    pub(super) fn scopes_of(&self, path: &str) -> Vec<&'static str> {
        let resources = self.siblings.resources.borrow();
        let of_path = resources.iter().filter(|resource| resource.path == path);
        let mut scopes: Vec<&'static str> = Vec::new();
        for scope in of_path.flat_map(|resource| &resource.scopes) {
            if !scopes.contains(scope) && *scope != OFFLINE_ACCESS {
                scopes.push(scope);
            }
        }
        scopes
    }

    /// Whether another table has a row for the method at the path.
    pub(super) fn others_serve(&self, method: &Method, uri: &Uri) -> bool {
        self.any_other(uri, |row| row.serves(method))
    }

    /// Whether another table has any row at the path.
    pub(super) fn others_have(&self, uri: &Uri) -> bool {
        self.any_other(uri, |_| true)
    }

    fn any_other(&self, uri: &Uri, accepts: impl Fn(&Served) -> bool) -> bool {
        let path = decoded(uri);
        let tables = self.siblings.tables.borrow();
        let mut rows = tables
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != self.index);
        rows.any(|(_, rows)| {
            rows.iter()
                .any(|row| accepts(row) && self.siblings.matches(row, path.path()))
        })
    }

    /// The rows of other tables that precede the row at `path`, which may match the same paths.
    pub(super) fn preceding(&self, path: &str) -> Vec<[usize; 2]> {
        let own = specificity(path);
        let tables = self.siblings.tables.borrow();
        let others = tables
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != self.index);
        let rows = others.flat_map(|(table, rows)| {
            let rows = rows.iter().enumerate();
            rows.map(move |(row, served)| ([table, row], served))
        });
        rows.filter(|(_, row)| specificity(&row.path) < own && may_overlap(&row.path, path))
            .map(|(at, _)| at)
            .collect()
    }

    /// Whether one of these rows serves the method at the path.
    pub(super) fn is_served_by(&self, rows: &[[usize; 2]], method: &Method, uri: &Uri) -> bool {
        if rows.is_empty() {
            return false;
        }
        let path = decoded(uri);
        let tables = self.siblings.tables.borrow();
        rows.iter().any(|[table, row]| {
            let row = tables.get(*table).and_then(|rows| rows.get(*row));
            row.is_some_and(|row| row.serves(method) && self.siblings.matches(row, path.path()))
        })
    }

    /// The methods of all rows that match the path, each once. `mount` is the path of the scopes around the table.
    pub(super) fn methods_at(&self, path: &str, mount: &str) -> String {
        let relative = path.strip_prefix(mount);
        let matches = |row: &&Served| match relative {
            Some(relative) => row.pattern.is_match(relative),
            // The scope has parameters.
            None => self.siblings.matches(row, path),
        };
        let mut allowed: Vec<&str> = Vec::new();
        let tables = self.siblings.tables.borrow();
        for row in tables.iter().flatten().filter(matches) {
            let head = row.with_head.then_some("HEAD");
            for method in [row.method.as_str()].into_iter().chain(head) {
                if !allowed.contains(&method) {
                    allowed.push(method);
                }
            }
        }
        allowed.join(", ")
    }
}

/// The path as Actix compares it: decoded but for slashes and percent signs.
fn decoded(uri: &Uri) -> Url {
    Url::new(uri.clone())
}

impl Siblings {
    /// Those of the app or scope that is being built.
    fn of(config: &AppService) -> Rc<Self> {
        // Each app has a default service of its own, which all its services get.
        let app: Rc<dyn Any> = config.default_service();
        let (app, is_root) = (Rc::downgrade(&app), config.is_root());
        APPS.with_borrow_mut(|apps| {
            apps.retain(|known| known.app.strong_count() > 0);
            let is_same = |known: &&Rc<Self>| known.app.ptr_eq(&app) && known.is_root == is_root;
            if let Some(siblings) = apps.iter().find(is_same) {
                return Rc::clone(siblings);
            }
            let siblings = Rc::new(Self {
                app,
                is_root,
                tables: RefCell::default(),
                resources: RefCell::default(),
                metadata_paths: RefCell::default(),
            });
            apps.push(Rc::clone(&siblings));
            siblings
        })
    }

    /// Whether a request for `path` may be for this row. In a scope, the row may match the path from any of its slashes.
    fn matches(&self, row: &Served, path: &str) -> bool {
        if self.is_root {
            return row.pattern.is_match(path);
        }
        let mut ends = path
            .match_indices('/')
            .filter_map(|(slash, _)| path.get(slash..));
        ends.any(|end| row.pattern.is_match(end))
    }
}

impl Served {
    fn serves(&self, method: &Method) -> bool {
        self.method == *method || (self.with_head && *method == Method::HEAD)
    }
}

thread_local! {
    /// The apps that this thread has built and not dropped.
    static APPS: RefCell<Vec<Rc<Siblings>>> = const { RefCell::new(Vec::new()) };
}
