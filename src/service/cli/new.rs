//! Writes a new project: a program on `Service` that compiles, runs and is tested.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use super::output;
use crate::service::error::Error;

/// The new project.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The directory of the project; its last part is the name of the package.
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,

    /// Use the library in this directory, such as a clone of its repository.
    #[arg(long, value_name = "DIRECTORY")]
    path: Option<PathBuf>,
}

/// Why no project is written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewError {
    #[error("the project cannot be written: {0}")]
    Io(#[from] io::Error),
    #[error("--path must be a directory with the Cargo.toml of actix-resource-server")]
    Library,
    #[error(
        "the name of the project must begin with a letter and contain at most 64 letters (a to z), digits, - and _, such as my-api"
    )]
    Name,
    #[error("the directory exists and is not empty: choose another one")]
    NotEmpty,
    #[error("a file has the name of the directory: choose another one")]
    NotADirectory,
    #[error("the name of the project is reserved: choose another one, such as my-api")]
    Reserved,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Error> {
    let project = Project::new(arguments)?;
    let project = project.write(&arguments.directory).map_err(NewError::Io)?;
    output::print(&format!(
        "The project {name} is written. Start it, and call it from another terminal:\n\n  \
         cd {directory}\n  cargo run\n\n  \
         curl -H \"Authorization: Bearer $(cargo run --quiet -- token)\" http://127.0.0.1:3010/api/greeting\n",
        name = project.name,
        directory = arguments.directory.display(),
    ))
}

struct Project {
    name: String,
    library: Library,
}

/// Where the project gets the library from.
enum Library {
    Git,
    Path(PathBuf),
    Registry,
}

impl Project {
    fn new(arguments: &Arguments) -> Result<Self, NewError> {
        let name = name(&arguments.directory)?;
        let library = match &arguments.path {
            Some(path) => Library::at(path).ok_or(NewError::Library)?,
            None => Library::of_this_program(),
        };
        match fs::read_dir(&arguments.directory).map(Iterator::count) {
            Ok(0) => Ok(Self { name, library }),
            Ok(_) => Err(NewError::NotEmpty),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound => Ok(Self { name, library }),
                io::ErrorKind::NotADirectory => Err(NewError::NotADirectory),
                _ => Err(error.into()),
            },
        }
    }

    /// Writes every file; an existing one is never overwritten.
    fn write(mut self, directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory.join("src"))?;
        self.library = self.library.seen_from(&fs::canonicalize(directory)?);
        for (path, template) in TEMPLATES {
            File::create_new(directory.join(path))?.write_all(self.fill(template).as_bytes())?;
        }
        Ok(self)
    }

    fn fill(&self, template: &str) -> String {
        template
            .replace("{{name}}", &self.name)
            .replace("{{source}}", &self.library.dependency())
            .replace("{{copy}}", &self.library.copy())
            .replace("{{context}}", &self.library.build_context())
    }
}

impl Library {
    /// The clone in which `cargo run` started this program, or else where its source came from.
    fn of_this_program() -> Self {
        let is_library = env::var("CARGO_PKG_NAME").is_ok_and(|name| name == LIBRARY);
        let clone = env::var_os("CARGO_MANIFEST_DIR").filter(|_| is_library);
        match clone.and_then(|path| Self::at(Path::new(&path))) {
            Some(library) => library,
            None if IS_PUBLISHED => Self::Registry,
            None => Self::Git,
        }
    }

    fn at(path: &Path) -> Option<Self> {
        let path = fs::canonicalize(path).ok()?;
        let package = fs::read_to_string(path.join("Cargo.toml")).ok()?;
        let name = format!("name = \"{LIBRARY}\"");
        let is_library = package.lines().any(|line| line == name);
        (is_library && path.to_str().is_some()).then_some(Self::Path(path))
    }

    /// With a path relative to `project`, so that both can be moved and committed together.
    fn seen_from(self, project: &Path) -> Self {
        let Self::Path(path) = self else {
            return self;
        };
        let shared = project.components().zip(path.components());
        let shared = shared.take_while(|(one, other)| one == other).count();
        let up = project
            .components()
            .skip(shared)
            .map(|_| Component::ParentDir);
        Self::Path(up.chain(path.components().skip(shared)).collect())
    }

    /// The keys of the dependency in Cargo.toml.
    fn dependency(&self) -> String {
        match self {
            Self::Git => format!("git = {:?}", env!("CARGO_PKG_REPOSITORY")),
            Self::Path(path) => format!("path = {path:?}"),
            Self::Registry => format!("version = {:?}", env!("CARGO_PKG_VERSION")),
        }
    }

    /// What the Dockerfile copies into the image that builds the program, at the path that Cargo.toml contains.
    fn copy(&self) -> String {
        match self {
            Self::Git | Self::Registry => String::new(),
            Self::Path(path) => ["Cargo.toml", "docs", "src"]
                .map(|part| format!("COPY --from=library {part} {}/{part}\n", path.display()))
                .concat(),
        }
    }

    /// The arguments of `docker build` for [`Self::copy`].
    fn build_context(&self) -> String {
        match self {
            Self::Git | Self::Registry => String::new(),
            Self::Path(path) => format!("--build-context library='{}' ", path.display()),
        }
    }
}

/// The name of the package.
fn name(directory: &Path) -> Result<String, NewError> {
    let name = directory.file_name().and_then(|name| name.to_str());
    let name = name.ok_or(NewError::Name)?;
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    let is_valid =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if !begins || name.len() > LONGEST || !name.bytes().all(is_valid) {
        Err(NewError::Name)
    } else if RESERVED.contains(&name) {
        Err(NewError::Reserved)
    } else {
        Ok(name.to_owned())
    }
}

/// crates.io takes no longer names.
const LONGEST: usize = 64;

const LIBRARY: &str = env!("CARGO_PKG_NAME");

/// Whether this program was compiled from crates.io, so that the library is available there.
const IS_PUBLISHED: bool = is_in_registry(env!("CARGO_MANIFEST_DIR").as_bytes());

/// Only called at compile time: the path does not become part of the program.
const fn is_in_registry(path: &[u8]) -> bool {
    const PART: &[u8] = b"registry/src";
    let mut start = 0;
    while start + PART.len() <= path.len() {
        let mut matching = 0;
        while matching < PART.len()
            && (path[start + matching] == PART[matching]
                || (path[start + matching] == b'\\' && PART[matching] == b'/'))
        {
            matching += 1;
        }
        if matching == PART.len() {
            return true;
        }
        start += 1;
    }
    false
}

/// Names of crates that the project uses, of directories in Cargo's target directory, and keywords of Rust.
const RESERVED: [&str; 67] = [
    "abstract",
    "actix-resource-server",
    "actix-web",
    "actix_web",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "serde_json",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "tests",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// The files of a project.
const TEMPLATES: [(&str, &str); 7] = [
    (".gitignore", include_str!("new/gitignore")),
    ("Cargo.toml", include_str!("new/package.toml")),
    ("Dockerfile", include_str!("new/Dockerfile")),
    ("README.md", include_str!("new/README.md")),
    ("Settings.toml", include_str!("new/Settings.toml")),
    ("src/main.rs", include_str!("new/main.rs")),
    ("src/tests.rs", include_str!("new/tests.rs")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_recognised_by_the_path_of_the_source() {
        let registry =
            "/home/ann/.cargo/registry/src/index.crates.io-1/actix-resource-server-0.1.0";
        let windows =
            r"C:\Users\ann\.cargo\registry\src\index.crates.io-1\actix-resource-server-0.1.0";
        for (path, expected) in [
            (registry, true),
            (windows, true),
            (
                "/home/ann/.cargo/git/checkouts/actix-resource-server/1",
                false,
            ),
            ("/src/registry", false),
            ("", false),
        ] {
            assert_eq!(is_in_registry(path.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn the_path_of_the_library_is_relative_to_the_project() {
        for (library, project, expected) in [
            ("/src/library", "/src/my-api", "path = \"../library\""),
            ("/src/library", "/src/library/my-api", "path = \"..\""),
            (
                "/library",
                "/home/ann/my-api",
                "path = \"../../../library\"",
            ),
        ] {
            let library = Library::Path(PathBuf::from(library));
            let library = library.seen_from(Path::new(project));
            assert_eq!(library.dependency(), expected);
        }
    }

    #[test]
    fn a_project_depends_on_git_or_on_the_registry() {
        let git = format!("git = \"{}\", ", env!("CARGO_PKG_REPOSITORY"));
        let version = format!("version = \"{}\", ", env!("CARGO_PKG_VERSION"));
        for (library, expected) in [(Library::Git, git), (Library::Registry, version)] {
            let project = Project {
                name: "my-api".to_owned(),
                library,
            };
            let package = project.fill(include_str!("new/package.toml"));
            assert!(
                package.contains(&format!("actix-resource-server = {{ {expected}")),
                "{package}"
            );
            for (path, template) in TEMPLATES {
                let text = project.fill(template);
                assert!(!text.contains("{{"), "{path}: {text}");
            }
        }
    }
}
