# A program written in Go, which needs nothing beside Go's own library.
#
#   sysc lock
#   $(sysc build derivation.goawk)/bin/goawk 'BEGIN { print "Hello from Go" }'
#   cat $(sysc build derivation.check)

input "debian" {
  type   = "debian"
  suites = ["trixie"]
}

locals {
  version = "1.29.0"
  source = fetchtarball(
    "mirror://debian/pool/main/g/goawk/goawk_${local.version}.orig.tar.gz",
    "sha256:91bf708ad6776bea7e1fbd1a0969042de8ebc3139b89468a2a1f5405f3401f54",
  )
}

derivation "goawk" {
  version  = local.version
  base     = input.debian
  packages = ["golang-go"]
  source   = local.source

  # There is no home directory, so Go is told where its cache is. Without cgo the
  # program is static: it runs in any root, and on your machine.
  env = {
    GOCACHE     = "/build/cache"
    CGO_ENABLED = "0"
  }

  # Go writes the paths of the source into the program, for stack traces, unless it
  # is told to trim them. They would keep the source with the program for ever.
  allowed_references = []
  script             = <<-EOT
    cd "$src"
    go build -trimpath -o "$out/bin/goawk" .
  EOT
}

# The test runs some of the scripts that come with the source, and compares with
# the output that comes with them. It names every one that differs, not the first.
derivation "check" {
  base     = input.debian
  packages = ["libc6"]
  source   = local.source
  script   = <<-EOT
    failed=0
    for script in "$src"/testdata/p.? "$src"/testdata/p.1?; do
      name=$(basename "$script")
      ${derivation.goawk.out}/bin/goawk -f "$script" "$src/testdata/test.countries" > "$name" || failed=1
      cmp "$name" "$src/testdata/output/$name" || failed=1
      echo "$name" >> "$out"
    done
    test "$failed" = 0
  EOT
}
