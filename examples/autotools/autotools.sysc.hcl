# A program built from its release tarball by configure, make, make install.
#
#   sysc lock
#   cat $(sysc build derivation.check)

input "debian" {
  type   = "debian"
  suites = ["trixie"]
}

# mirror://debian is the archive of the input "debian", on whichever mirror this
# machine uses. Debian keeps the sources of a release for as long as the release.
# To learn the hash, run sha256sum on the file.
locals {
  version = "2.10"
  source = fetchtarball(
    "mirror://debian/pool/main/h/hello/hello_${local.version}.orig.tar.gz",
    "sha256:31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b",
  )
}

# The script starts in an empty directory, and "$src" is read-only: so configure
# is called by its path, and the objects are made here.
derivation "hello" {
  version  = local.version
  base     = input.debian
  packages = ["gcc", "libc6-dev", "make"]
  source   = local.source

  # -ffile-prefix-map: debug information names the source files, by default in the
  # store, and whoever has the program would need the source as well. This makes the
  # names relative; the limit below says so should it fail to.
  #
  # -fno-builtin-…: else gcc may copy a constant path, such as "$out/lib", from
  # overlapping pieces. sysc gives outputs their final paths after the build, and
  # finds paths that are whole.
  env = {
    CFLAGS = join(" ", ["-O2", "-g", "-ffile-prefix-map=${local.source}=.",
    "-fno-builtin-memcpy", "-fno-builtin-strcpy"])
  }
  allowed_references = []

  script = <<-EOT
    "$src/configure" --prefix="$out"
    make -j"$SYSC_CORES"
    make check
    make install
  EOT
}

# The test is a step of its own, in a root without the compiler: a program that
# needs more than the C library fails here.
derivation "check" {
  base     = input.debian
  packages = ["libc6"]
  script   = <<-EOT
    ${derivation.hello.out}/bin/hello --greeting="Built from source" > "$out"
    test "$(cat "$out")" = "Built from source"
  EOT
}
