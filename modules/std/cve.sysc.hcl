# Vulnerabilities that somebody has looked at.

option "security.cve" {
  description = "What sysc cve is told about the known vulnerabilities of the system's packages."
  option "ignore" {
    labels      = ["name"]
    description = "A vulnerability that does not matter here, by its name, as in CVE-2026-1234. The system has the list with it, in /etc/sysc/cve.json."
    option "reason" {
      type        = pattern("[^\\n]+")
      description = "Why it does not matter."
      example     = "The service listens on the loopback interface only."
    }
    assert {
      condition     = can(regex("^(CVE|TEMP)-[0-9]+-[0-9A-F-]+$", self.name))
      error_message = "security.cve.ignore \"${self.name}\" is the name of no vulnerability: write \"CVE-2026-1234\""
    }
  }
}

config {
  when = length(config.security.cve.ignore) > 0
  file "/etc/sysc/cve.json" {
    content = "${jsonencode({ ignore = { for name, why in config.security.cve.ignore : name => { reason = why.reason } } })}\n"
  }
}
