# A Debian package with a patch: its source package is built again, and a system has
# the result in place of the archive's.
#
#   sysc lock
#   sysc switch system.demo --root /tmp/machine

input "debian" {
  type   = "debian"
  suites = ["trixie"]
}

# sysc lock finds the source package, and what its build needs.
system "demo" {
  base     = input.debian
  packages = ["figlet"]

  # Delete the block to have the archive's again.
  package "figlet" {
    patch = source("./version.patch")
  }
}

# The same by hand, for what is built in a way of its own.
system "by_hand" {
  base     = input.debian
  packages = ["figlet"]

  package "figlet" {
    from = derivation.figlet.out
  }
}

# The files that figlet_2.2.5-3.dsc names, with the hashes that it has; its own is what
# `apt-get source --print-uris figlet` prints.
locals {
  version = "2.2.5-3+local1" # greater than the archive's, less than its next
  pool    = "mirror://debian/pool/main/f/figlet"
  sources = {
    "figlet_2.2.5-3.dsc"           = "sha256:f19663ee2437cac166f0d3c4c9bf0d33f0149a6e8f06d6ae80014fd4030bdc81"
    "figlet_2.2.5-3.debian.tar.xz" = "sha256:38fe48441d93a8c379c73be792d9395f3e6a45c4841783832c7d4f068545e6fb"
    "figlet_2.2.5.orig.tar.gz"     = "sha256:bf88c40fd0f077dab2712f54f8d39ac952e4e9f2e1882f1195be9e5e4257417d"
  }
}

# What the source package says in Build-Depends, and build-essential, which every
# package may take for granted.
derivation "figlet" {
  version  = local.version
  base     = input.debian
  packages = ["build-essential", "debhelper"]

  structured = {
    files = { for name, hash in local.sources : name => fetchurl("${local.pool}/${name}", hash) }
    patch = source("./version.patch")
  }
  allowed_references = []

  script = <<-EOT
    . "$SYSC_ATTRS_SH"
    eval "set -- $files"
    while [ $# -gt 0 ]; do ln -s "$2" "$1" && shift 2; done
    dpkg-source --extract figlet_*.dsc work
    cd work
    patch -p1 < "$patch"
    sed -i "1s/(.*)/(${local.version})/" debian/changelog
    dpkg-buildpackage --build=binary --unsigned-changes
    mkdir "$out"
    cp ../figlet_*.deb "$out"
  EOT
}

derivation "check" {
  base   = input.debian
  script = <<-EOT
    dpkg-deb --extract ${derivation.figlet.out}/figlet_*.deb .
    usr/bin/figlet-figlet -v > "$out"
    grep "Version: 2.2.5, ours" "$out"
  EOT
}
