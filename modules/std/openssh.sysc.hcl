# The OpenSSH server. Debian's own sshd_config stays as it is: it reads what is in
# sshd_config.d first, and the first value of a keyword counts.

option "services.openssh" {
  description = "The OpenSSH server: shells and file transfer from other machines."
  option "enable" {
    type        = bool
    default     = false
    description = "Whether the OpenSSH server runs."
  }
  option "ports" {
    type        = list(port)
    default     = [22]
    description = "The TCP ports that it listens on."
    example     = [22, 2222]
    assert {
      condition     = !config.services.openssh.enable || length(config.services.openssh.ports) > 0
      error_message = "services.openssh.ports is empty, so that nobody could reach the server"
    }
  }
  option "password_authentication" {
    type        = bool
    default     = false
    description = "Whether passwords let anybody in. Keys always do."
  }
  option "permit_root_login" {
    type        = enum("yes", "prohibit-password", "forced-commands-only", "no")
    default     = "prohibit-password"
    description = "How root may log in."
    assert {
      condition     = config.services.openssh.permit_root_login != "yes" || !config.services.openssh.password_authentication
      error_message = "root may log in by a password that can be guessed from anywhere: set permit_root_login to \"prohibit-password\", or password_authentication to false"
      severity      = "warning"
    }
  }
  option "settings" {
    type        = map(string)
    description = "Further keywords of sshd_config(5), or other values of those that sysc sets."
    example     = { X11Forwarding = "no" }
  }
  option "authorized_keys" {
    labels      = ["user"]
    description = "Who may log in as a user, beside what the user's own ~/.ssh/authorized_keys says."
    option "keys" {
      type        = list(pattern("[^\\n]+"))
      description = "Public keys, one in each element, as in ~/.ssh/id_ed25519.pub."
      example     = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI… me@laptop"]
    }
  }
}

config {
  when     = config.services.openssh.enable
  packages = ["openssh-server"]
  services {
    openssh {
      settings = {
        PasswordAuthentication       = default(config.services.openssh.password_authentication ? "yes" : "no")
        KbdInteractiveAuthentication = default(config.services.openssh.password_authentication ? "yes" : "no")
        PermitRootLogin              = default(config.services.openssh.permit_root_login)
        AuthorizedKeysFile           = default(".ssh/authorized_keys /etc/ssh/authorized_keys.d/%u")
      }
    }
  }
  unit "ssh.service" {
    enable = true
  }
  file "/etc/ssh/sshd_config.d/10-sysc.conf" {
    content = <<EOT
# Made by sysc from services.openssh.
%{for port in config.services.openssh.ports~}
Port ${port}
%{endfor~}
%{for name, value in config.services.openssh.settings~}
${name} ${value}
%{endfor~}
EOT
  }
}

config {
  when = config.services.openssh.enable
  file = {
    for user, who in config.services.openssh.authorized_keys :
    "/etc/ssh/authorized_keys.d/${user}" => { content = join("", [for key in who.keys : "${key}\n"]) }
  }
}
