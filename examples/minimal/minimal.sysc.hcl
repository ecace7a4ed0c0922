# A few packages, one file, one user, one unit: the smallest system that shows
# every part, and boots. Try it:
#
#   sysc lock
#   sysc plan   --root /tmp/machine
#   sysc switch --root /tmp/machine
#   sysc vm

sysc {
  required_version = ">= 0.1"
}

input "debian" {
  type   = "debian"
  suites = ["trixie"]
}

variable "greeting" {
  type        = string
  default     = "Welcome to a system composed by sysc."
  description = "What a user reads after logging in."
}

system "minimal" {
  platform = "linux/amd64"
  base     = input.debian
  hostname = "minimal"

  packages = [
    "apt", "systemd-sysv", "dbus", "nano-tiny",
    "linux-image-cloud-amd64", "systemd-boot-efi", "udev", "e2fsprogs", # a machine of its own
  ]

  boot {
    kernel_params = ["console=tty0", "console=ttyS0"]
  }

  user "ada" {
    description = "Ada Lovelace"
    shell       = "/bin/bash"
  }

  file "/etc/motd" {
    content = "${var.greeting}\n"
  }

  unit "hello.service" {
    wanted_by = ["multi-user.target"]
    content   = <<-EOT
      [Unit]
      Description=Say hello once the system is up

      [Service]
      Type=oneshot
      User=ada
      ExecStart=/bin/echo hello from ${system.name}
    EOT
  }
}
