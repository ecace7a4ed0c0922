# Names of machines that no name server knows.

option "networking.hosts" {
  type        = map(list(string))
  description = "Names by address, for /etc/hosts. The machine's own name is there already, once there is anything."
  example     = { "192.0.2.7" = ["printer", "printer.example.org"] }
}

config {
  when = length(config.networking.hosts) > 0
  file "/etc/hosts" {
    content = <<EOT
# Made by sysc from networking.hosts.
127.0.0.1 localhost
127.0.1.1 ${config.hostname}
::1 localhost ip6-localhost ip6-loopback
ff02::1 ip6-allnodes
ff02::2 ip6-allrouters
%{for address, names in config.networking.hosts~}
${address} ${join(" ", names)}
%{endfor~}
EOT
  }
}
