# A program compiled from source, in a sandbox whose compiler comes from Debian.
#
#   sysc lock
#   $(sysc build)/bin/hello

input "debian" {
  type   = "debian"
  suites = ["trixie"]
}

derivation "hello" {
  version  = "1.0"
  base     = input.debian
  packages = ["gcc", "libc6-dev"]
  source   = source("./src")
  script   = <<-EOT
    mkdir -p "$out/bin"
    gcc -O2 -static -o "$out/bin/hello" "$src/hello.c"
  EOT
}
