# A program and its library built by CMake, in two outputs, and a program of our
# own that uses the library.
#
#   sysc lock
#   cat $(sysc build derivation.check)

input "debian" {
  type   = "debian"
  suites = ["trixie"]
}

locals {
  version = "0.30.2"
  source = fetchtarball(
    "mirror://debian/pool/main/c/cmark/cmark_${local.version}.orig.tar.gz",
    "sha256:6c7d2bcaea1433d977d8fed0b55b71c9d045a7cdf616e3cd2dce9007da753db3",
  )

  # Steps that name the same packages share one root, which is composed once.
  compiler = ["cmake", "g++", "make"]
}

derivation "cmark" {
  version  = local.version
  base     = input.debian
  packages = local.compiler
  source   = local.source

  # Each output is an object of its own: who has the program in $out does not get the
  # library in $dev with it, nor the source, and the limit keeps it so.
  outputs               = ["out", "dev"]
  disallowed_references = ["dev", local.source]

  script = <<-EOT
    cmake -S "$src" -B . \
      -DCMAKE_BUILD_TYPE=Release \
      -DCMAKE_INSTALL_PREFIX="$dev" \
      -DCMAKE_INSTALL_BINDIR="$out/bin" \
      -DCMAKE_INSTALL_MANDIR="$out/share/man"
    cmake --build . --parallel "$SYSC_CORES"
    ctest -R api_test --no-tests=error --output-on-failure
    cmake --install .
  EOT
}

# Naming an output in a script is what makes it a dependency. No linker looks for
# libraries in the store by itself: CMake is told to leave the library's path in the
# program. That also is what makes the program keep the library.
derivation "hello" {
  version  = "1.0"
  base     = input.debian
  packages = local.compiler
  source   = source("./src")
  script   = <<-EOT
    cmake -S "$src" -B . \
      -DCMAKE_PREFIX_PATH="${derivation.cmark.dev}" \
      -DCMAKE_INSTALL_PREFIX="$out" \
      -DCMAKE_INSTALL_RPATH_USE_LINK_PATH=ON
    cmake --build .
    cmake --install .
  EOT
}

# The program answers each of the 650 examples of its specification. That takes
# Python, which what is tested does not need: another root, another step.
#
# A script ends at the first command that fails, and with pipefail that may be one
# on the left of a pipe.
derivation "check" {
  base     = input.debian
  packages = ["python3"]
  source   = local.source
  script   = <<-EOT
    set -o pipefail
    ${derivation.hello.out}/bin/hello | grep -F '<p>Hello from a <em>library</em> that sysc built.</p>'
    python3 "$src/test/spec_tests.py" --spec "$src/test/spec.txt" \
      --program "${derivation.cmark.out}/bin/cmark" | tee "$out"
  EOT
}
