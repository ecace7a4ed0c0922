# Network interfaces, configured by systemd-networkd.

option "networking.interface" {
  labels      = ["name"]
  description = "A network interface that systemd-networkd configures, by its name; patterns as en* work."
  option "dhcp" {
    type         = enum("yes", "no", "ipv4", "ipv6")
    default      = length(self.addresses) > 0 ? "no" : "yes"
    default_text = "\"yes\", with addresses \"no\""
    description  = "Whether addresses are asked for."
  }
  option "addresses" {
    type        = list(pattern("[0-9a-fA-F.:]+/[0-9]{1,3}"))
    description = "Addresses with the length of the network's prefix."
    example     = ["192.0.2.5/24", "2001:db8::5/64"]
  }
  option "gateways" {
    type        = list(pattern("[0-9a-fA-F.:]+"))
    description = "Where packets for other networks go."
    example     = ["192.0.2.1"]
  }
  option "nameservers" {
    type        = list(pattern("[0-9a-fA-F.:]+"))
    description = "Name servers, for systemd-resolved."
  }
  option "config" {
    type        = lines
    default     = ""
    description = "Further lines of the interface's systemd.network(5) file."
  }
  assert {
    condition     = length(self.gateways) == 0 || length(self.addresses) > 0
    error_message = "interface ${self.name} has gateways and no addresses; those come with their gateway from DHCP"
  }
}

option "networking.nameservers" {
  type        = list(pattern("[0-9a-fA-F.:]+"))
  description = "Name servers for /etc/resolv.conf. Without any, the file stays as it is."
  example     = ["9.9.9.9", "149.112.112.112"]
}

config {
  when = length(config.networking.interface) > 0
  unit "systemd-networkd.service" {
    enable = true
  }
  file = {
    for name, link in config.networking.interface :
    "/etc/systemd/network/50-${replace(name, "*", "any")}.network" => {
      content = <<EOT
# Made by sysc from networking.interface["${name}"].
[Match]
Name=${name}

[Network]
DHCP=${link.dhcp}
%{for address in link.addresses~}
Address=${address}
%{endfor~}
%{for gateway in link.gateways~}
Gateway=${gateway}
%{endfor~}
%{for server in link.nameservers~}
DNS=${server}
%{endfor~}
%{for line in compact(split("\n", link.config))~}
${line}
%{endfor~}
EOT
    }
  }
}

config {
  when = length(config.networking.nameservers) > 0
  file "/etc/resolv.conf" {
    content = join("", [for server in config.networking.nameservers : "nameserver ${server}\n"])
  }
}
