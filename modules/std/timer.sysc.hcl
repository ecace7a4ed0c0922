# Commands that run at times, by systemd's timers: what cron is used for.

option "services.timer" {
  labels      = ["name"]
  description = "A command that runs at times."
  option "on_calendar" {
    type        = pattern("[^\\n]+")
    description = "When it runs, as in systemd.time(7)."
    example     = "Mon *-*-* 03:00"
  }
  option "command" {
    type        = nullable(pattern("/[^\\n]+"))
    default     = null
    description = "The program with its arguments, as ExecStart of systemd.service(5) takes it."
    example     = "/usr/bin/fstrim --all"
  }
  option "script" {
    type        = nullable(string)
    default     = null
    description = "A shell script, in place of a command. It stops at the first error."
  }
  option "user" {
    type        = string
    default     = "root"
    description = "The user that it runs as."
  }
  option "description" {
    type        = pattern("[^\\n]*")
    default     = self.name
    description = "What it is for."
  }
  option "persistent" {
    type        = bool
    default     = true
    description = "Whether it runs at start-up when the machine was off at its time."
  }
  option "random_delay" {
    type        = nullable(pattern("[0-9a-z ]+"))
    default     = null
    description = "Up to how much later it runs, so that not all machines do at once."
    example     = "10min"
  }
  assert {
    condition     = can(regex("^[A-Za-z0-9:_.\\\\-]+$", self.name))
    error_message = "the timer ${self.name} has a name that no unit can have: letters, digits and :_.-\\ make one"
  }
  assert {
    condition     = (self.command == null) != (self.script == null)
    error_message = "the timer ${self.name} needs a command or a script, one of them"
  }
}

config {
  file = {
    for name, timer in config.services.timer :
    "/etc/sysc/timers/${name}" => { content = "#!/bin/sh\nset -e\n${timer.script}", mode = "0755" } if timer.script != null
  }
  unit = merge({
    for name, timer in config.services.timer : "${name}.service" => {
      enable  = false
      content = <<-EOT
        # Made by sysc from services.timer["${name}"].
        [Unit]
        Description=${timer.description}

        [Service]
        Type=oneshot
        User=${timer.user}
        ExecStart=${timer.script != null ? "/etc/sysc/timers/${name}" : timer.command == null ? "" : timer.command}
      EOT
    }
    }, {
    for name, timer in config.services.timer : "${name}.timer" => {
      content = <<EOT
# Made by sysc from services.timer["${name}"].
[Unit]
Description=${timer.description}

[Timer]
OnCalendar=${timer.on_calendar}
Persistent=${timer.persistent}
%{if timer.random_delay != null~}
RandomizedDelaySec=${timer.random_delay}
%{endif~}

[Install]
WantedBy=timers.target
EOT
    }
  })
}
