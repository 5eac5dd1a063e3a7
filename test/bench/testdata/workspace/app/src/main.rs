//! The program of the workspace: reads builds as JSON lines and checks them.
use clap::Parser;
use model::Build;

#[derive(Parser)]
struct Options {
    /// JSON of a build
    builds: Vec<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", Build::field_names().join(" "));
    for text in Options::parse().builds {
        let build: Build = serde_json::from_str(&text)?;
        build.check()?;
        println!("{} {} {} {:08x}", build.project, build.calls, build.hits, native::crc32(text.as_bytes()));
    }
    Ok(())
}
