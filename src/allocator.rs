//! Who gives out memory: jemalloc, whose settings are those of `.cargo/config.toml`. The C
//! library's costs a tenth more of a request. Elsewhere pages may be larger than what jemalloc is
//! built for, so it is taken only where they never are. llama.cpp keeps the C library's.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
