# The time zone that programs show times in.

option "time.timezone" {
  type        = nullable(pattern("[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*"))
  default     = null
  description = "The time zone, by its name below /usr/share/zoneinfo. Without one the system has that of its packages, which is UTC."
  example     = "Europe/Vienna"
}

config {
  when     = config.time.timezone != null
  packages = ["tzdata"]
  symlink "/etc/localtime" {
    target = "/usr/share/zoneinfo/${config.time.timezone}"
  }
  file "/etc/timezone" {
    content = "${config.time.timezone}\n"
  }
}
