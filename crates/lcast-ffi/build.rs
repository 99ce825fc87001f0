//! Gives the shared library its name for the linker of other programs, which changes with the ABI,
//! and has it stay until the program ends: nodes have threads that run its code.

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,liblcast.so.0");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
