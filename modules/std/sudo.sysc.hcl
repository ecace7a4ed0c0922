# Who may act as another user.

option "security.sudo" {
  description = "sudo, which lets users act as root or as one another."
  option "enable" {
    type        = bool
    default     = false
    description = "Whether sudo is there. Members of the group sudo may do everything, as Debian has it."
  }
  option "rule" {
    labels      = ["who"]
    description = "What a user, or a %group, may do beyond that."
    option "as" {
      type        = pattern("[A-Za-z0-9_%#:, -]+")
      default     = "ALL:ALL"
      description = "The users and groups that commands may run as."
    }
    option "commands" {
      type        = list(pattern("[^\\n]+"))
      default     = ["ALL"]
      description = "The commands, as sudoers(5) writes them."
      example     = ["/usr/bin/systemctl restart nginx.service"]
    }
    option "password" {
      type        = bool
      default     = true
      description = "Whether the user has to give the own password."
    }
    assert {
      condition     = can(regex("^%?[a-z_][a-z0-9_-]*$", self.who))
      error_message = "security.sudo.rule \"${self.who}\" is about no user and no group: write \"alice\", or \"%admins\""
    }
    assert {
      condition     = length(self.commands) > 0
      error_message = "security.sudo.rule \"${self.who}\" allows no command"
    }
  }
}

config {
  when     = config.security.sudo.enable
  packages = ["sudo"]
}

config {
  when = config.security.sudo.enable && length(config.security.sudo.rule) > 0
  file "/etc/sudoers.d/50-sysc" {
    mode    = "0440"
    content = <<EOT
# Made by sysc from security.sudo.
%{for who, rule in config.security.sudo.rule~}
${who} ALL=(${rule.as}) ${rule.password ? "" : "NOPASSWD: "}${join(", ", rule.commands)}
%{endfor~}
EOT
  }
}
