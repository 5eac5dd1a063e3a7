//! Compiles the C half of the crate, after some of the questions that build
//! scripts ask a compiler.
fn main() {
    println!("cargo:rerun-if-changed=src/crc.c");
    println!("cargo:rerun-if-changed=src/crc.h");
    cc::Build::new()
        .file("src/crc.c")
        .flag_if_supported("-fno-plt")
        .flag_if_supported("-fno-such-option")
        .compile("crc");
}
