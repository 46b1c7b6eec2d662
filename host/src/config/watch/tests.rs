//! The watcher on real files: every way in which editors, tools and volumes replace one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Watcher;

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weir-watch-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Every way in which the watched paths `weir.yaml` and `plugins` can change, each seen within a few seconds.
#[tokio::test]
async fn every_way_to_change_a_file_is_seen() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 11] = [
        ("write in place", |root| fs::write(root.join("weir.yaml"), "two").unwrap()),
        ("same length in place", |root| fs::write(root.join("weir.yaml"), "six").unwrap()),
        ("rename over", |root| {
            fs::write(root.join("weir.yaml.swp"), "new").unwrap();
            fs::rename(root.join("weir.yaml.swp"), root.join("weir.yaml")).unwrap();
        }),
        ("removal", |root| fs::remove_file(root.join("weir.yaml")).unwrap()),
        ("return", |root| fs::write(root.join("weir.yaml"), "back").unwrap()),
        ("new plugin", |root| fs::write(root.join("plugins/one.wasm"), "1").unwrap()),
        ("new plugin in a folder", |root| {
            fs::create_dir(root.join("plugins/two")).unwrap();
            fs::write(root.join("plugins/two/two.wasm"), "2").unwrap();
        }),
        ("change in that folder", |root| fs::write(root.join("plugins/two/two.wasm"), "22").unwrap()),
        ("removal of the folder", |root| fs::remove_dir_all(root.join("plugins")).unwrap()),
        ("return of the folder", |root| {
            fs::create_dir(root.join("plugins")).unwrap();
            fs::write(root.join("plugins/one.wasm"), "1").unwrap();
        }),
        ("change in the new folder", |root| fs::write(root.join("plugins/one.wasm"), "11").unwrap()),
    ];
    let folder = Folder::new("ways");
    let root = &folder.0;
    fs::write(root.join("weir.yaml"), "one").unwrap();
    fs::create_dir(root.join("plugins")).unwrap();
    let watcher = Watcher::start(vec![root.join("weir.yaml"), root.join("plugins")]).unwrap();
    for (name, change) in changes {
        change(root);
        assert!(is_told(&watcher).await, "{name}");
    }
}

/// What Kubernetes does with a mounted ConfigMap: `weir.yaml -> ..data/weir.yaml`, and `..data` is turned.
#[tokio::test]
async fn a_turned_link_is_seen() {
    let folder = Folder::new("links");
    let root = &folder.0;
    for version in ["..1", "..2"] {
        fs::create_dir(root.join(version)).unwrap();
        fs::write(root.join(version).join("weir.yaml"), "same").unwrap();
    }
    std::os::unix::fs::symlink("..1", root.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/weir.yaml", root.join("weir.yaml")).unwrap();
    let watcher = Watcher::start(vec![root.join("weir.yaml")]).unwrap();
    std::os::unix::fs::symlink("..2", root.join("..data_tmp")).unwrap();
    fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    assert!(is_told(&watcher).await);
}

#[tokio::test]
async fn what_is_watched_can_change_and_a_burst_is_told_a_few_times_at_most() {
    let folder = Folder::new("burst");
    let root = &folder.0;
    let watcher = Watcher::start(vec![root.join("a")]).unwrap();
    watcher.watch(vec![root.join("later/b")]);
    fs::create_dir(root.join("later")).unwrap();
    for count in 0..50 {
        fs::write(root.join("later/b"), "b".repeat(count)).unwrap();
    }
    assert!(is_told(&watcher).await);
    let mut further = 0;
    while is_told_soon(&watcher).await {
        further += 1;
    }
    // How many depends on how long the machine takes for the burst.
    assert!(further < 10, "{further}");
    // Neither a neighbour nor reading is a change.
    fs::write(root.join("later/neighbour"), "").unwrap();
    fs::read(root.join("later/b")).unwrap();
    assert!(!is_told_soon(&watcher).await);
}

/// Silence can only be told by waiting a little.
async fn is_told_soon(watcher: &Watcher) -> bool {
    tokio::time::timeout(Duration::from_millis(400), watcher.changed()).await.is_ok()
}

async fn is_told(watcher: &Watcher) -> bool {
    tokio::time::timeout(Duration::from_secs(20), watcher.changed()).await.is_ok()
}
