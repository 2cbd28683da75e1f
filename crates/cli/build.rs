//! How the binary is linked.

fn main() {
    // A program that may be loaded anywhere has 40,000 addresses to correct before it begins, on 270 pages, which
    // takes longer than all that `retake record true` does with the program. The processes that replay reshapes are
    // forks of this one, and have nothing of it left.
    println!("cargo::rustc-link-arg-bins=-no-pie");
    println!("cargo::rerun-if-changed=build.rs");
}
