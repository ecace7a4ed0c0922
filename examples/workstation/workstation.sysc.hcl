# A developer's laptop: kernel, desktop-less but complete tools, containers.
#
#   sysc lock
#   sysc switch --root /tmp/laptop

input "debian" {
  type   = "debian"
  suites = ["trixie", "trixie-updates"]
}

locals {
  boot   = ["linux-image-amd64", "systemd-sysv", "systemd-boot", "dbus", "udev", "systemd-timesyncd", "systemd-resolved"]
  shell  = ["bash-completion", "less", "man-db", "tmux", "htop", "tree", "ripgrep", "fzf", "jq", "rsync", "file", "strace", "lsof"]
  net    = ["openssh-server", "openssh-client", "curl", "wget", "iproute2", "iputils-ping", "nftables", "network-manager", "ca-certificates", "dnsutils", "tcpdump"]
  code   = ["git", "vim", "build-essential", "gdb", "cmake", "ninja-build", "pkg-config", "shellcheck"]
  python = ["python3", "python3-venv", "python3-pip", "python3-requests"]
  run    = ["podman", "buildah", "skopeo", "passt", "uidmap", "fuse-overlayfs", "crun"]
  disk   = ["e2fsprogs", "dosfstools", "btrfs-progs", "cryptsetup", "parted", "gdisk", "lvm2", "nvme-cli"]
  extra  = ["apt", "locales", "sudo", "zip", "unzip", "xz-utils", "zstd", "bzip2", "pciutils", "usbutils", "firmware-linux-free"]
}

system "workstation" {
  platform = "linux/amd64"
  base     = input.debian
  hostname = "workstation"

  packages = concat(local.boot, local.shell, local.net, local.code, local.python, local.run, local.disk, local.extra)

  user "ada" {
    description = "Ada Lovelace"
    groups      = ["sudo", "adm"]
    shell       = "/bin/bash"
  }

  file "/etc/ssh/sshd_config.d/10-sysc.conf" {
    content = <<-EOT
      PasswordAuthentication no
      PermitRootLogin no
    EOT
  }

  file "/etc/sudoers.d/10-sudo-group" {
    mode    = "0440"
    content = "%sudo ALL=(ALL:ALL) ALL\n"
  }

  file "/etc/systemd/network/80-wired.network" {
    content = <<-EOT
      [Match]
      Name=en*

      [Network]
      DHCP=yes
    EOT
  }
}
