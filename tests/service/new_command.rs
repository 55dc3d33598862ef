//! `new`: writes a project, and never overwrites a file.

use std::fs;
use std::path::Path;

use crate::app::Launch;
use crate::process::{Directory, Ended};

fn new(arguments: &[&str]) -> Ended {
    let command = ["new"].iter().chain(arguments).copied().collect::<Vec<_>>();
    Launch::new().arguments(&command).run()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_project_uses_the_library_at_the_path() {
    let directory = Directory::new();
    let project = directory.path().join("my-api");
    // An empty directory is accepted.
    fs::create_dir(&project).unwrap();
    let library = env!("CARGO_MANIFEST_DIR");
    let ended = new(&[&text(&project), "--path", library]);
    assert_eq!((ended.code, ended.log.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.output.contains("cargo run"), "{ended:?}");

    let read = |name: &str| fs::read_to_string(project.join(name)).unwrap();
    let package = read("Cargo.toml");
    assert!(package.contains("name = \"my-api\""), "{package}");
    let dependency = "actix-resource-server = { path = \"";
    let (_, path) = package.split_once(dependency).unwrap();
    let (path, _) = path.split_once('"').unwrap();
    assert!(path.starts_with("../"), "{package}");
    let found = fs::canonicalize(project.join(path)).unwrap();
    assert_eq!(found, fs::canonicalize(library).unwrap());
    assert!(read("README.md").starts_with("# my-api\n"));
    assert!(read("Dockerfile").contains(&format!("COPY --from=library src {path}/src\n")));
    for file in [".gitignore", "Settings.toml", "src/main.rs", "src/tests.rs"] {
        assert!(!read(file).contains("{{"), "{file}");
    }

    let again = new(&[&text(&project), "--path", library]);
    let message = "the directory exists and is not empty: choose another one";
    assert_rejected(&again, message);
    assert_eq!(read("Cargo.toml"), package);
}

#[test]
fn wrong_arguments_are_one_line_and_write_nothing() {
    let directory = Directory::new();
    let file = directory.path().join("a-file");
    fs::write(&file, "kept").unwrap();
    let name = "the name of the project must begin with a letter";
    let long = "a".repeat(65);
    for (argument, expected) in [
        ("My-Api", name),
        ("1api", name),
        ("my api", name),
        ("my/../..", name),
        ("é", name),
        (&long, name),
        ("test", "the name of the project is reserved"),
        ("async", "the name of the project is reserved"),
        ("serde", "the name of the project is reserved"),
        (&text(&file), "a file has the name of the directory"),
    ] {
        let path = text(&directory.path().join(argument));
        assert_rejected(&new(&[&path]), expected);
    }
    let project = text(&directory.path().join("my-api"));
    for path in ["/", "/not/there"] {
        assert_rejected(
            &new(&[&project, "--path", path]),
            "--path must be a directory with",
        );
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

fn assert_rejected(ended: &Ended, expected: &str) {
    assert_eq!(
        (ended.code, ended.output.as_str()),
        (Some(2), ""),
        "{ended:?}"
    );
    assert_eq!(ended.log.lines().count(), 1, "{ended:?}");
    let message = format!("actix-resource-server: {expected}");
    assert!(ended.log.starts_with(&message), "{ended:?}");
}
