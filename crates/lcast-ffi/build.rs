//! Gives the shared library its name for the linker of other programs. It changes with the ABI.

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,liblcast.so.0");
    println!("cargo:rerun-if-changed=build.rs");
}
