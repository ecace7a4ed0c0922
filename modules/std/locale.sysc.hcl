# The language and the conventions of programs.

option "i18n.locale" {
  type        = pattern("(C|POSIX|[a-z]{2,3}_[A-Z]{2})(\\.[A-Za-z0-9-]+)?(@[a-z]+)?")
  default     = "C.UTF-8"
  description = "The locale of services and logins. Any but C and POSIX comes from the package locales-all."
  example     = "de_AT.UTF-8"
}

option "i18n.settings" {
  type        = map(string)
  description = "Single aspects that differ from the locale: variables as LC_TIME, with locales."
  example     = { LC_TIME = "en_GB.UTF-8" }
}

locals {
  own = ["C", "C.UTF-8", "C.utf8", "POSIX"]
}

config {
  when = config.i18n.locale != "C.UTF-8" || length(config.i18n.settings) > 0
  file "/etc/locale.conf" {
    content = <<EOT
LANG=${config.i18n.locale}
%{for name, value in config.i18n.settings~}
${name}=${value}
%{endfor~}
EOT
  }
  symlink "/etc/default/locale" {
    target = "../locale.conf"
  }
}

config {
  when     = length([for l in concat([config.i18n.locale], values(config.i18n.settings)) : l if !contains(local.own, l)]) > 0
  packages = ["locales-all"]
}
