//! What the policies promise holds on the simulated fleet, the same every time.

use std::path::PathBuf;

use super::*;

/// The folder of the plugins as built: `WEIR_PLUGINS_DIR`, or where `cargo xtask plugins` puts them.
fn plugins() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/plugins");
    std::env::var_os("WEIR_PLUGINS_DIR").map_or(built, PathBuf::from)
}

#[tokio::test]
async fn policies_keep_what_they_promise() -> Result<()> {
    let compiled = std::env::temp_dir().join(format!("weir-fleet-{}", std::process::id()));
    let table = simulate(&plugins(), &compiled, 20_000).await?;
    let again = simulate(&plugins(), &compiled, 1_000).await? == simulate(&plugins(), &compiled, 1_000).await?;
    std::fs::remove_dir_all(&compiled)?;
    print(&table);
    assert!(again, "the same seed gives the same figures");
    let of = |name: &str| &table.iter().find(|(known, _)| *known == name).expect("it is in the table").1;
    let (even, fastest, cheapest) = (of("round robin"), of("fastest"), of("cheapest"));
    assert!(fastest.first_token(0.5) < even.first_token(0.5) * 0.5, "half the time in the middle");
    assert!(fastest.first_token(0.99) < even.first_token(0.99) * 0.7, "and much less at the end");
    assert!(cheapest.times_the_cheapest() < 1.02, "{}", cheapest.times_the_cheapest());
    for (name, figures) in &table {
        assert!(figures.error_rate() < 0.002 || *name == "guarded", "{name}: {}", figures.error_rate());
    }
    Ok(())
}
